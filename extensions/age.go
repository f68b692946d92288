package extensions

import (
	"fmt"
	"time"
)

// createdLabel says when an image was created (OCI image specification,
// "annotations"), where its configuration does not.
const createdLabel = "org.opencontainers.image.created"

// reproducible is before what images say that hide when they were created:
// buildpacks' 1980-01-01, and the epoch.
var reproducible = time.Date(1981, 1, 1, 0, 0, 0, 0, time.UTC)

// skew is how much the clocks of two machines may differ. An image that is
// younger than its build by more says nothing that can be believed.
const skew = 24 * time.Hour

// born is when the image was created: as its configuration says, else as its
// label does; zero if neither is to be believed.
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

// tooOld says why installs that are not pinned do not count on an image; empty
// if they count.
func (c *Case) tooOld(base Base) string {
	if c.MaxAge == 0 {
		return ""
	}
	born := base.Config.born()
	day := born.UTC().Format(time.DateOnly)
	switch {
	case born.IsZero():
		return "when the image was created is not known, and max-image-age is set"
	case c.Built.IsZero():
		return "the time of the build is not known, and max-image-age is set"
	case born.Sub(c.Built) > skew:
		return fmt.Sprintf("the image says that it was created on %s, after the build, so that its age is not known, and max-image-age is set", day)
	case c.Built.Sub(born) >= c.MaxAge:
		return fmt.Sprintf("the image was created on %s, longer ago than max-image-age (%s)", day, c.MaxAge)
	}
	return ""
}
