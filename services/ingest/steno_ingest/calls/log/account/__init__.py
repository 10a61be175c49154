"""What is known of each open call, and how it is saved: account, silent channels, audio that is not in the object store yet."""
