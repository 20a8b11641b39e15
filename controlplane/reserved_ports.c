#include "reserved_ports.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SYSCTL "/proc/sys/net/ipv4/ip_local_reserved_ports"
#define PORTS 65536u
#define TEXT_MAX (PORTS / 2 * 6 + 2) /* every second port, five digits and a comma */
#define OWNER_MAX 128

struct port_set {
	uint64_t words[PORTS / 64];
};

struct lb_reserved_ports {
	struct port_set ours; /* added by us, not there before */
	char *file;           /* NULL: no state folder */
	char *text;           /* TEXT_MAX */
};

static bool has_port(const struct port_set *s, uint32_t port)
{
	return (s->words[port / 64] >> (port % 64) & 1) != 0;
}

static void add_ports(struct port_set *s, uint32_t first, uint32_t last)
{
	for (uint32_t port = first; port <= last && port < PORTS; port++)
		s->words[port / 64] |= UINT64_C(1) << (port % 64);
}

/* "8080,9000-9010"; stops at what it does not understand. */
static void parse_ports(const char *text, struct port_set *out)
{
	memset(out, 0, sizeof(*out));
	while (*text >= '0' && *text <= '9') {
		char *end;
		unsigned long first = strtoul(text, &end, 10), last = first;

		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		if (first >= PORTS || last >= PORTS)
			return;
		add_ports(out, (uint32_t)first, (uint32_t)last);
		text = *end == ',' ? end + 1 : end;
	}
}

static size_t format_ports(const struct port_set *s, char *text)
{
	size_t len = 0;

	for (uint32_t port = 0; port < PORTS; port++) {
		uint32_t last = port;

		if (!has_port(s, port))
			continue;
		while (last + 1 < PORTS && has_port(s, last + 1))
			last++;
		len += (size_t)snprintf(text + len, TEXT_MAX - len,
					last == port ? "%s%u" : "%s%u-%u", len > 0 ? "," : "", port,
					last);
		port = last;
	}
	len += (size_t)snprintf(text + len, TEXT_MAX - len, "\n");
	return len;
}

static int read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n = 1;

	if (fd < 0)
		return -errno;
	while (n > 0 && len < size - 1) {
		n = read(fd, text + len, size - 1 - len);
		if (n > 0)
			len += (size_t)n;
	}
	text[len] = '\0';
	n = n < 0 ? -errno : 0;
	close(fd);
	return (int)n;
}

/* One write: the sysctl takes a list only whole. */
static int write_text(const char *path, int flags, const char *text, size_t len)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | flags, 0600);
	int rc = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, len) != (ssize_t)len)
		rc = errno != 0 ? -errno : -EIO;
	if (close(fd) != 0 && rc == 0)
		rc = -errno;
	return rc;
}

/* Which kernel's setting it was: another boot or network namespace has one of its own. */
static void describe_owner(char owner[OWNER_MAX])
{
	char boot[64] = "";
	struct stat ns = {0};

	(void)read_text("/proc/sys/kernel/random/boot_id", boot, sizeof(boot));
	boot[strcspn(boot, "\n")] = '\0';
	(void)stat("/proc/self/ns/net", &ns);
	snprintf(owner, OWNER_MAX, "%s %llu\n", boot, (unsigned long long)ns.st_ino);
}

/* Written before the setting is changed, so that at no time a change is not known. */
static int save(struct lb_reserved_ports *r, const struct port_set *ours)
{
	size_t len;

	if (r->file == NULL)
		return 0;
	describe_owner(r->text);
	len = strlen(r->text);
	len += format_ports(ours, r->text + len);
	return write_text(r->file, O_CREAT | O_TRUNC, r->text, len);
}

/* The setting now, without `less`, with `more`. */
static int change(struct lb_reserved_ports *r, const struct port_set *less,
		  const struct port_set *more)
{
	struct port_set now;
	int rc = read_text(SYSCTL, r->text, TEXT_MAX);

	if (rc != 0)
		return rc;
	parse_ports(r->text, &now);
	for (size_t i = 0; i < PORTS / 64; i++)
		now.words[i] = (now.words[i] & ~less->words[i]) | more->words[i];
	return write_text(SYSCTL, 0, r->text, format_ports(&now, r->text));
}

static void give_back_leftovers(struct lb_reserved_ports *r)
{
	const struct port_set none = {0};
	struct port_set left;
	char owner[OWNER_MAX];

	if (r->file == NULL || read_text(r->file, r->text, TEXT_MAX) != 0)
		return;
	describe_owner(owner);
	if (strncmp(r->text, owner, strlen(owner)) == 0) {
		parse_ports(r->text + strlen(owner), &left);
		(void)change(r, &left, &none);
	}
	(void)unlink(r->file);
}

int lb_reserved_ports_open(const char *state_dir, struct lb_reserved_ports **out)
{
	struct lb_reserved_ports *r = calloc(1, sizeof(*r));

	*out = r;
	if (r == NULL)
		return -ENOMEM;
	r->text = malloc(TEXT_MAX + OWNER_MAX);
	if (r->text == NULL ||
	    (state_dir != NULL && asprintf(&r->file, "%s/reserved_ports", state_dir) < 0)) {
		free(r->text);
		free(r);
		*out = NULL;
		return -ENOMEM;
	}
	give_back_leftovers(r);
	return 0;
}

void lb_reserved_ports_close(struct lb_reserved_ports *r)
{
	if (r == NULL)
		return;
	(void)lb_reserved_ports_set(r, NULL, 0);
	free(r->file);
	free(r->text);
	free(r);
}

int lb_reserved_ports_set(struct lb_reserved_ports *r, const struct lb_port_range *ranges, size_t n)
{
	struct port_set wanted = {0}, now, both;
	int rc;

	for (size_t i = 0; i < n; i++)
		add_ports(&wanted, ranges[i].first, ranges[i].last);
	if (n == 0 && lb_reserved_ports_count(r) == 0)
		return 0;
	rc = read_text(SYSCTL, r->text, TEXT_MAX);
	if (rc != 0)
		return rc;
	/* What was reserved without us stays so when we leave. */
	parse_ports(r->text, &now);
	for (size_t i = 0; i < PORTS / 64; i++)
		wanted.words[i] &= ~(now.words[i] & ~r->ours.words[i]);
	if (memcmp(&wanted, &r->ours, sizeof(wanted)) == 0)
		return 0;
	for (size_t i = 0; i < PORTS / 64; i++)
		both.words[i] = wanted.words[i] | r->ours.words[i];
	rc = save(r, &both);
	if (rc == 0)
		rc = change(r, &r->ours, &wanted);
	if (rc != 0)
		return rc;
	r->ours = wanted;
	if (lb_reserved_ports_count(r) > 0)
		return save(r, &r->ours);
	if (r->file != NULL)
		(void)unlink(r->file);
	return 0;
}

size_t lb_reserved_ports_count(const struct lb_reserved_ports *r)
{
	size_t n = 0;

	for (size_t i = 0; i < PORTS / 64; i++)
		n += (size_t)__builtin_popcountll(r->ours.words[i]);
	return n;
}
