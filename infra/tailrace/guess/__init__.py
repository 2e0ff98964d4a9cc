"""What a file's own bytes propose of how it should be read; pure, nothing is opened here."""
