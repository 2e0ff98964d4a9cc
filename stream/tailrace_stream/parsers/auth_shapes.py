"""How the messages of sshd, sudo, su, PAM and the account tools are built.

A name in them was chosen by whoever knocks, and may itself look like the rest of a line:
what follows a name is therefore taken from the end of the line.
"""

from __future__ import annotations

_FROM = r" from (\S+) port ([0-9]{1,5})"

SHAPES = (
    # sshd: Accepted publickey for a from 192.0.2.1 port 22 ssh2: RSA SHA256:...
    (
        (
            rf"^(Accepted|Failed) (\S+) for (?:(?:invalid|illegal) user )?"
            rf"(.*){_FROM}(?: ssh[12]?)?(?:: (.*))?$"
        ),
        ("ssh_event", "ssh_method", "user", "host", "port", "ssh_signature"),
    ),
    (
        r"^(Invalid|Illegal) user (.*) from (\S+)(?: port ([0-9]{1,5}))?$",
        ("ssh_event", "user", "host", "port"),
    ),
    (
        r"^Did not receive identification string from (\S+)(?: port ([0-9]{1,5}))?$",
        ("dropped", "port"),
    ),
    (
        (
            r"^(?:Connection (?:closed|reset) by|Disconnected from|Disconnecting) "
            r"((?:authenticating|invalid) )?(?:user (.*) )?(\S+) port ([0-9]{1,5})"
            r"(?: \[preauth\]|:.*)?$"
        ),
        ("ssh_state", "user", "host", "port"),
    ),
    (
        r"^(Received disconnect) from (\S+) port ([0-9]{1,5}):.*$",
        ("ssh_state", "host", "port"),
    ),
    # sudo: a : user NOT in sudoers ; TTY=pts/1 ; PWD=/ ; USER=root ; COMMAND=/bin/ls
    (
        (
            r"^ *(\S+) : (?:([^;=]+) ; )?(?:TTY=([^;]+) ; )?"
            r"(?:PWD=(.+?) ; )?USER=([^;]+) ; (?:[A-Z]{1,16}=[^;]* ; )*"
            r"COMMAND=((?s:.*))$"
        ),
        ("user", "sudo_error", "sudo_tty", "sudo_pwd", "sudo_user", "sudo_command"),
    ),
    (
        r"^new group: name=([^,]+), GID=([0-9]{1,10})$",
        ("group", "gid"),
    ),
    (
        (
            r"^new user: name=([^,]+), UID=([0-9]{1,10}), GID=([0-9]{1,10}),"
            r" home=([^,]*), shell=([^,]*)(?:, from=.*)?$"
        ),
        ("user", "user_id", "gid", "home", "shell"),
    ),
    # PAM: pam_unix(sshd:session): session opened for user a(uid=1) by b(uid=0)
    (
        (
            r"^pam_\w{1,32}\([^)]+\): session (opened|closed) for user"
            r" ([^\s(]+)(?:\(uid=([0-9]{1,10})\))?(?: by ([^\s(]*)(?:\(uid=([0-9]{1,10})\))?)?$"
        ),
        ("session", "for", "for_id", "by", "by_id"),
    ),
    (
        (
            r"^pam_\w{1,32}\([^)]+\): (authentication failure);.* rhost=(\S*)"
            r"(?: +user=(.*))?$"
        ),
        ("pam_failure", "host", "user"),
    ),
    (
        r"^pam_faillock\([^)]+\): (Consecutive login failures) for user (\S+) account .*$",
        ("locked", "user"),
    ),
    (
        r"^pam_unix\([^:)]+:chauthtok\): (password changed) for (\S+)$",
        ("password", "user"),
    ),
    (r"^pam_unix\([^:)]+:(chauthtok)\): .*$", ("password",)),
    (r"^pam_unix\([^:)]+:auth\): (check pass; user unknown)$", ("pam_failure",)),
    # sshd: PAM 2 more authentication failures; logname= uid=0 ... rhost=192.0.2.1  user=a
    (
        r"^PAM [0-9]{1,9} more (authentication failures?);.* rhost=(\S*)(?: +user=(.*))?$",
        ("pam_failure", "host", "user"),
    ),
    (r"^(password check failed) for user \((.*)\)$", ("pam_failure", "user")),
    # gpasswd: user a added by b to group c
    (
        r"^user (\S+) (added|removed) by (\S+) (?:to|from) group (\S+)$",
        ("target", "membership", "user", "group"),
    ),
    # usermod and userdel: add 'a' to group 'b', delete user 'a', removed group 'b'
    (
        r"^(add|delete) '([^']+)' (?:to|from) (?:shadow )?group '([^']+)'$",
        ("member", "user", "group"),
    ),
    (r"^(?:delete|change|lock|unlock) user '([^']+)'(?: .*)?$", ("user",)),
    (
        r"^(?:removed (?:shadow )?)?group '([^']+)' ?(?:removed from .*|owned by .*)?$",
        ("group",),
    ),
    # su: (to root) a on pts/0, and what it says where that is refused
    (
        r"^(FAILED SU) \(to (\S+)\) (\S+) on .*$",
        ("su_result", "for", "by"),
    ),
    (r"^(\(to) (\S+)\) (\S+) on .*$", ("su_result", "for", "by")),
)
USED = tuple(dict.fromkeys(name for _, names in SHAPES for name in names))
ACCOUNT_TOOLS = ("groupadd", "groupdel", "groupmod", "useradd", "userdel", "usermod")
