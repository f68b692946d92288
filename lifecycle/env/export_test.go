package env

// Of is for tests of the package.
var Of = of
