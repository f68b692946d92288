package keys

// Closest is for tests of the package.
var Closest = closest
