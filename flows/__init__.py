"""The order of the stages: one flow a file, one screen each."""
