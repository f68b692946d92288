package cache

// TryLock locks a file as a process does that commits.
var TryLock = tryLock
