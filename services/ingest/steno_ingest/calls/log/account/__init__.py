"""The state of each open call, and how it is saved: account, one-way audio, and audio that is not in the object store yet."""
