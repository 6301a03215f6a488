"""The Pretrain section: runs started, followed, stopped and gone on with."""
