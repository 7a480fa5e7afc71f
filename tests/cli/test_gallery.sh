#!/bin/bash
# likeness gallery: the account of what was done, keys, and galleries that cannot be written.
