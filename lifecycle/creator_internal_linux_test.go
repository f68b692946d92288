package lifecycle

import (
	"slices"
	"strings"
	"testing"
)

// TestBuildImagesEnvironmentHasNoCredentials: in place, commands of extensions see what the creator knows of
// the build image's environment.
func TestBuildImagesEnvironmentHasNoCredentials(t *testing.T) {
	s := SelfExtender{Extender: Extender{Environ: []string{"JAVA_HOME=/opt/java"}}}
	for _, name := range []string{"AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "DOCKER_CONFIG", "CNB_REGISTRY_AUTH", "MY_secret"} {
		s.Extender.Environ = append(s.Extender.Environ, name+"=leaked")
	}
	env := s.buildConfig().Config.Env
	if got := strings.Join(env, "\n"); strings.Contains(got, "leaked") {
		t.Errorf("credentials are among\n%s", got)
	}
	if !slices.Contains(env, "JAVA_HOME=/opt/java") {
		t.Errorf("what the image sets is not among %q", env)
	}
}
