//! What is told about a build, and what only looks (A65 and A66).
