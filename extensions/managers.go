package extensions

import (
	"regexp"
	"strings"

	"github.com/baseplan/baseplan/sbom"
)

// managers by program name.
var managers = map[string]*manager{
	"apt-get": apt, "apt": apt,
	"apk": apk,
	"dnf": dnf, "dnf5": dnf, "dnf-3": dnf, "microdnf": dnf, "yum": dnf, "tdnf": dnf,
	"zypper": zypper,
}

// flagsOf returns flags without a value, for all or only some subcommands.
func flagsOf(names string, only ...string) map[string]flag {
	all := map[string]flag{}
	for name := range strings.FieldsSeq(names) {
		all[name] = flag{only: strings.Join(only, " ")}
	}
	return all
}

// valued returns flags with a value.
func valued(value *regexp.Regexp, names string) map[string]flag {
	all := map[string]flag{}
	for name := range strings.FieldsSeq(names) {
		all[name] = flag{value: value}
	}
	return all
}

// merged merges tables of flags.
func merged(tables ...map[string]flag) map[string]flag {
	all := map[string]flag{}
	for _, t := range tables {
		for name, f := range t {
			if had, ok := all[name]; ok && had.only != "" {
				f.only = had.only + " " + f.only
			}
			all[name] = f
		}
	}
	return all
}

// follow compiles a pattern for the whole of the following words.
func follow(pattern string) *regexp.Regexp { return regexp.MustCompile("^(?:" + pattern + ")$") }

var (
	nothing  = follow("")
	anything = follow(".*")
	repoName = follow(`[A-Za-z0-9_.:*,/+-]+`)
	number   = follow(`[0-9]+`)
)

// See apt-get(8), apt(8). Missing are options that make an install take another
// version, remove something, or stop halfway: -t, -f, -d, --reinstall,
// --only-upgrade, --auto-remove, -c.
var apt = &manager{
	packages: sbom.Deb, tool: "apt",
	flags: merged(
		flagsOf(`--yes --assume-yes -y --quiet -q -q=1 -q=2 --quiet=1 --quiet=2 --no-install-recommends --no-install-suggests --install-recommends
			--allow-releaseinfo-change --allow-insecure-repositories --allow-unauthenticated --allow-downgrades --allow-change-held-packages
			--verbose-versions -V --ignore-missing --fix-missing -m --no-upgrade --no-remove --no-auto-remove --no-autoremove --show-progress
			--show-upgraded -u --no-show-upgraded --ignore-hold --error-on=any`),
		flagsOf("--installed --upgradable --manual-installed --all-versions -a", "list", "show"),
		flagsOf("--purge --auto-remove --autoremove", "remove", "purge", "autoremove", "autopurge"),
		valued(aptOption, "-o --option"),
	),
	install:  []string{"install"},
	lists:    map[string]*regexp.Regexp{"update": nothing, "clean": follow("|all"), "autoclean": nothing, "auto-clean": nothing},
	reads:    map[string]answers{"list": always, "show": ifThere, "search": ifLucky, "policy": always, "depends": ifLucky, "rdepends": ifLucky, "check": ifLucky},
	removes:  []string{"remove", "purge"},
	prunes:   []string{"autoremove", "auto-remove", "autopurge"},
	complete: completeDeb,
	match:    matchDeb,
}

// aptOption matches settings that change neither the system nor what is run. Other
// settings name commands.
var aptOption = regexp.MustCompile(`(?i)^=?(?:(?:Acquire::(?:Retries|Check-Valid-Until|Check-Date|ForceIPv[46]|AllowInsecureRepositories|AllowReleaseInfoChange|Languages|` +
	`GzipIndexes|PDiffs|By-Hash|Queue-Mode|Max-FutureTime|https?::(?:Timeout|No-Cache|No-Store|Pipeline-Depth|Dl-Limit|Verify-Peer|Verify-Host))|` +
	`Dpkg::(?:Use-Pty|Progress-Fancy|Progress|Lock::Timeout)|APT::(?:Install-(?:Recommends|Suggests)|Color|Update::Error-Mode|Cmd::Disable-Script-Warning|Sandbox::User)|` +
	`APT::Get::(?:Assume-Yes|AllowUnauthenticated|Fix-Missing|Show-Versions|Upgrade|Remove)|Debug::[A-Za-z:]+|quiet)=[0-9A-Za-z_-]+|` +
	`Acquire::https?::Proxy=[A-Za-z0-9.:/@_-]+|Dpkg::Options::=--force-(?:conf(?:def|old|new|miss)|unsafe-io))$`)

// See apk(8). Missing: -u, -l, -t, -p, --arch, --initdb, --cache-dir and the like.
var apk = &manager{
	packages: sbom.APK, tool: "apk-tools",
	flags: merged(
		flagsOf(`--no-cache --update --update-cache -U --quiet -q --no-progress --progress --verbose -v --allow-untrusted --no-interactive
			--force-refresh --force-missing-repositories --no-network --no-check-certificate --no-logfile --no-scripts`),
		flagsOf("-e --installed -a --all -d --description -i -L --contents -P --provides -r --rdepends -R --depends -s --size -w --webpage -W --who-owns --license", "info"),
		flagsOf("-I --installed --available --orphaned -a --all -d --description -e --exact", "list", "search"),
		flagsOf("--purge -r --rdepends", "del"),
		valued(anything, "--repository -X"), valued(number, "--timeout --wait --cache-max-age"),
	),
	install:  []string{"add"},
	lists:    map[string]*regexp.Regexp{"update": nothing, "cache": follow("clean|purge")},
	reads:    map[string]answers{"info": ifThere, "list": always, "search": ifLucky, "policy": always, "stats": onlyThat, "version": onlyThat},
	removes:  []string{"del"},
	complete: completeAPK,
	match:    matchAPK,
}

// See dnf(8), yum(8), microdnf(8), the documentation of tdnf and of dnf5. Missing
// are options that change where packages come from or go to: --releasever,
// --forcearch, --installroot, --downloadonly, --config, and enabled plugins.
var dnf = &manager{
	packages: sbom.RPM, tool: "dnf",
	flags: merged(
		flagsOf(`--assumeyes -y --quiet -q --verbose -v --nodocs --refresh --best -b --nobest --allowerasing --skip-broken --skip-unavailable --nogpgcheck
			--no-gpgchecks --cacheonly -C --noplugins --skipsignature --skipdigest --noautoremove -4 -6`),
		flagsOf("--installed --available --upgrades --extras --all --enabled --disabled --showduplicates --whatprovides --list -l -i --info",
			"list", "info", "search", "repolist", "repoquery", "rq", "provides", "whatprovides"),
		flagsOf("--set-enabled --set-disabled --enable --disable", "config-manager"),
		valued(repoName, "--enablerepo --disablerepo --repo --repoid --disableplugin --exclude -x --excludepkgs --disableexcludes --disableexcludepkgs --color"),
		valued(number, "-d --debuglevel -e --errorlevel -R --randomwait"), valued(dnfOption, "--setopt"),
	),
	install: []string{"install", "in"},
	lists: map[string]*regexp.Regexp{
		"clean":     follow("(?:(?:all|metadata|packages|dbcache|expire-cache|plugins|headers|cache)(?: |$))+"),
		"makecache": follow("|fast|timer"), "mc": nothing,
	},
	reads: map[string]answers{
		"list": ifListed, "ls": ifListed, "info": ifListed, "search": ifLucky, "repolist": onlyThat, "repoinfo": onlyThat, "repoquery": ifListed, "rq": ifListed,
		"provides": ifLucky, "whatprovides": ifLucky, "check-update": ifLucky, "deplist": ifLucky, "help": onlyThat,
	},
	removes: []string{"remove", "rm", "erase"},
	prunes:  []string{"autoremove"},
	enables: regexp.MustCompile(`^module (?:enable|disable|reset)(?: [A-Za-z0-9_.:*/+-]+)+$|^config-manager(?: (?:setopt )?[A-Za-z0-9_.*-]+(?:\.enabled=[01])?)+$`),

	complete: completeRPM,
	match:    matchRPM,
}

var dnfOption = regexp.MustCompile(`^(?:[A-Za-z0-9_*-]+\.)?(?:install_weak_deps|keepcache|best|fastestmirror|max_parallel_downloads|retries|timeout|minrate|throttle|` +
	`sslverify|gpgcheck|repo_gpgcheck|localpkg_gpgcheck|skip_if_unavailable|metadata_expire|deltarpm|ip_resolve|zchunk|strict|skip_missing_names_on_install|` +
	`assumeyes|color|debuglevel|errorlevel|clean_requirements_on_remove|plugins)=(?:-?[0-9]+|[Tt]rue|[Ff]alse|yes|no|never|always|auto|IPv?[46])$|^tsflags=(?:nodocs)?$`)

// See zypper(8). Missing: -f of install (reinstall), --gpg-auto-import-keys,
// --root, --releasever, --from, --type, -d.
var zypper = &manager{
	packages: sbom.RPM, tool: "zypper",
	flags: merged(
		flagsOf(`--non-interactive -n --quiet -q --verbose -v --no-confirm -y --no-recommends --no-color --xmlout -x --no-refresh --no-cd
			--no-gpg-checks`),
		flagsOf("--auto-agree-with-licenses -l --auto-agree-with-product-licenses --no-allow-downgrade --no-allow-vendor-change --allow-unsigned-rpm --details --no-force-resolution --name", "install", "in"),
		flagsOf("--all -a --metadata -m --raw-metadata -M", "clean", "cc"),
		flagsOf("--force -f --force-build -b --force-download --build-only -B --download-only -D", "refresh", "ref"),
		flagsOf("--installed-only --match-exact -s", "search", "se"),
		flagsOf("--enable --disable -e -d", "modifyrepo", "mr"),
		flagsOf("--clean-deps -u", "remove", "rm"),
		flagsOf("-u -d", "repos", "lr"),
	),
	install: []string{"install", "in"},
	lists:   map[string]*regexp.Regexp{"refresh": nothing, "ref": nothing, "clean": nothing, "cc": nothing},
	reads: map[string]answers{
		"search": ifLucky, "se": ifLucky, "info": ifListed, "if": ifListed, "packages": onlyThat, "pa": onlyThat, "repos": onlyThat, "lr": onlyThat,
		"list-updates": onlyThat, "lu": onlyThat, "what-provides": ifLucky, "wp": ifLucky,
	},
	removes:  []string{"remove", "rm"},
	enables:  regexp.MustCompile(`^(?:modifyrepo|mr)(?: [A-Za-z0-9_.:-]+)+$`),
	complete: completeRPM,
	match:    matchRPM,
}

// Arguments of an install that name a package: no file, URL, glob or group, and
// nothing that removes a package.
var (
	completeDeb = follow(`[a-z0-9][a-z0-9+.-]*(?:[a-z0-9.]|\+\+)(?::[a-z0-9-]+)?(?:=[0-9A-Za-z.+:~-]+)?`)
	completeAPK = follow(`(?:[a-z0-9.]+:)?[A-Za-z0-9_][A-Za-z0-9+._-]*(?:(?:>=|<=|=|~|~=|=~|>|<)[0-9][0-9A-Za-z._-]*)?`)
	completeRPM = follow(`[A-Za-z0-9_][A-Za-z0-9_.+:~^-]*|[A-Za-z0-9_.+-]+\([A-Za-z0-9_.:+() -]*\)(?:\(64bit\))?|/[A-Za-z0-9_./+-]+`)
)
