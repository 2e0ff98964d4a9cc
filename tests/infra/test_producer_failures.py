"""What a failed send means: wait and send again, unless its size alone is at fault."""

from __future__ import annotations

import pytest
from kafka import errors

from tailrace.kafka_producer import FailureKind, failure_of

FAULTS_OF_THE_BROKERS = [
    errors.NotEnoughReplicasError,
    errors.NotEnoughReplicasAfterAppendError,
    errors.OutOfOrderSequenceNumberError,
    errors.UnknownProducerIdError,
    errors.InvalidProducerEpochError,
    errors.KafkaStorageError,
    errors.NotLeaderForPartitionError,
    errors.KafkaTimeoutError,
    errors.KafkaConnectionError,
    errors.TopicAuthorizationFailedError,
    errors.ClusterAuthorizationFailedError,
    errors.UnknownTopicOrPartitionError,
]


@pytest.mark.parametrize(
    "error", FAULTS_OF_THE_BROKERS, ids=lambda error: error.__name__
)
def test_k2_k3_k4_k6_k7_k14_a_fault_of_the_brokers_is_never_the_records(
    error: type[Exception],
) -> None:
    """Taken for the record's own, it would make a dead letter of a sound line."""
    failure = failure_of(error("as the test asks"))
    assert failure.kind is FailureKind.PRODUCER
    assert "as the test asks" in failure.detail


@pytest.mark.parametrize(
    "error", [errors.MessageSizeTooLargeError, errors.RecordListTooLargeError]
)
def test_k5_only_a_size_that_the_topic_never_takes_is_the_records_fault(
    error: type[Exception],
) -> None:
    assert failure_of(error("too large")).kind is FailureKind.TOO_LARGE
