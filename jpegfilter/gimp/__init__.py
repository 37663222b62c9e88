"""What GIMP's plug-in needs outside GIMP: a worker that restores layers, and a place among GIMP's plug-ins."""
