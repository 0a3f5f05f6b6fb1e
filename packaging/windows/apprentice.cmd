@echo off
rem The command line of Apprentice Studio, in the worker's own environment wherever this folder lies.
"%~dp0worker\python.exe" -I -m studio.cli %*
