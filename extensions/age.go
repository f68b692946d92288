package extensions

import (
	"fmt"
	"time"
)

// createdLabel is the label for the creation time (OCI image specification,
// "annotations"). It is used if the configuration has none.
const createdLabel = "org.opencontainers.image.created"

// reproducible is later than the fixed creation times of reproducible images:
// buildpacks' 1980-01-01, and the epoch.
var reproducible = time.Date(1981, 1, 1, 0, 0, 0, 0, time.UTC)

// skew is the allowed difference between the clocks of two machines. An image that
// is newer than its build by more has no credible creation time.
const skew = 24 * time.Hour

// born returns the creation time from the configuration or the label, or the zero
// time if neither is credible.
func (c *Config) born() time.Time {
	if c == nil {
		return time.Time{}
	}
	if !c.Created.Before(reproducible) {
		return c.Created
	}
	labelled, err := time.Parse(time.RFC3339, c.Labels[createdLabel])
	if err != nil || labelled.Before(reproducible) {
		return time.Time{}
	}
	return labelled
}

// tooOld returns why unpinned installs do not count on the image, or "".
func (c *Case) tooOld(base Base) string {
	if c.MaxAge == 0 {
		return ""
	}
	born := base.Config.born()
	day := born.UTC().Format(time.DateOnly)
	switch {
	case born.IsZero():
		return "the image's creation time is unknown, and max-image-age is set"
	case c.Built.IsZero():
		return "the time of the build is unknown, and max-image-age is set"
	case born.Sub(c.Built) > skew:
		return fmt.Sprintf("the image claims to be created on %s, after the build, so its age is unknown, and max-image-age is set", day)
	case c.Built.Sub(born) >= c.MaxAge:
		return fmt.Sprintf("the image was created on %s, longer ago than max-image-age (%s)", day, c.MaxAge)
	}
	return ""
}
