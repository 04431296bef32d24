"""Training of object pose networks on one GPU: views, crops and changes are made on the device."""
