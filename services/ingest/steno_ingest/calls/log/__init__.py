"""The call log: reads `call-audio`, accounts for every call on it, and makes a recording of each call that has ended.

| in this order | what it does |
|---|---|
| `wiring` | builds all of this from the settings |
| `reading/` | takes the records of a partition one by one; ends calls that nobody ends |
| `recording/` | makes the recording of a call that has ended, as a job beside the reading |
| `account/` | keeps what is known of each open call, and saves it together with its audio |
| `audio/` | pieces of audio, their place in the object store, and the file formats of recordings |

Each imports only what stands below it.
"""
