package cache

// TryLock locks a file as a process does that commits.
var TryLock = tryLock

// DecodeMetadata decodes the metadata of a cache.
var DecodeMetadata = decodeMetadata
