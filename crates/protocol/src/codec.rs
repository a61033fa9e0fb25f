//! How a message lies on the wire: a length, then JSON.
