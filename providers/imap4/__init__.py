"""IMAP4rev1 and rev2 as a client speaks it (RFC 3501, RFC 9051), and what of it keeps a mailbox mirrored.

From below: `syntax` (bytes to values), `uid_set`, `mailbox_name`; `connection` (commands and responses), `refusal` (what a NO
means), `login`; `folders` (which there are, and what for), `content` and `large` (messages), `marks` (how far we are);
`mirror` (a run of the sync), `watching` (IDLE, NOTIFY), `parts` (attachments). The provider itself is `providers/imap.py`.
"""
