"""The call log: reads `call-audio`, keeps an account of every call, and makes a recording of each call after its end.

| module | what it does |
|---|---|
| `wiring` | builds the call log from the settings |
| `reading/` | handles the records of a partition one by one; ends inactive calls |
| `recording/` | makes the recordings of ended calls, in background jobs |
| `account/` | keeps the account of each open call, and saves it together with its audio |
| `audio/` | pieces of audio, their storage in the object store, and the file formats of recordings |

Each imports only those below it.
"""
