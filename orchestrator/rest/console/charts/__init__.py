"""Pictures of plain values as SVG: made on the server, coloured by the stylesheet, legible at any width."""
