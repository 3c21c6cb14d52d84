"""Backends: each turns resources into the files of one form of output. Pure: memory in, memory out."""
