"""`python -m hearken` is the command `hearken`."""

from hearken._command import main

if __name__ == "__main__":
    main()
