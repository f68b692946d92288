package lifecycle

// TargetOf is for tests of the package.
var TargetOf = targetOf
