"""What training sees: photographs in memory, crops of them, and degradations made on the fly."""
