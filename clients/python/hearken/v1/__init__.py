"""Generated messages and stubs of the protocol `hearken.v1`; made by protos/generate.py, never edited by hand."""
