"""Live captions in a browser: a page, and the gateway that carries its audio to a Hearken server."""
