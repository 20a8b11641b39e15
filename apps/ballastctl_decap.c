#include "ballastctl_decap.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "decap.skel.h"
#include "lb/addr.h"

#include "bpf/bpf_shared.h"

enum { DONE = 0, FAILED = 1, WRONG_USE = 2 };

struct request {
	const char *ifname;
	int ifindex;
	uint16_t gue_port;
	struct lb_addr sources[LB_DECAP_SOURCES_MAX];
	uint32_t n_sources;
};

__attribute__((format(printf, 2, 3))) static int complain(int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("ballastctl decap: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	return status;
}

/* The id of our program on the interface; 0: none is there; -EBUSY: somebody else's. */
static int find_own(int ifindex, uint32_t *id)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	struct bpf_prog_info info = {0};
	uint32_t bytes = sizeof(info);
	int rc = bpf_xdp_query(ifindex, 0, &query), fd;

	*id = query.prog_id;
	if (rc < 0 || query.prog_id == 0)
		return rc;
	fd = bpf_prog_get_fd_by_id(query.prog_id);
	if (fd < 0)
		return fd;
	rc = bpf_obj_get_info_by_fd(fd, &info, &bytes);
	close(fd);
	if (rc < 0)
		return rc;
	return strcmp(info.name, LB_DECAP_PROGRAM) == 0 ? 0 : -EBUSY;
}

static int parse_port(const char *text, uint16_t *out)
{
	char *end;
	long port = strtol(text, &end, 10);

	if (*text == '\0' || *end != '\0' || port < 1 || port > UINT16_MAX)
		return complain(WRONG_USE, "--gue-port %s: 1 to 65535 are possible", text);
	*out = (uint16_t)port;
	return DONE;
}

static int parse_source(const char *text, struct request *out)
{
	if (out->n_sources == LB_DECAP_SOURCES_MAX)
		return complain(WRONG_USE, "at most %d sources are possible", LB_DECAP_SOURCES_MAX);
	if (lb_addr_parse(text, &out->sources[out->n_sources]) != 0)
		return complain(WRONG_USE, "%s: neither an IPv4 nor an IPv6 address", text);
	out->n_sources++;
	return DONE;
}

static int parse(int argc, char **argv, bool is_attach, struct request *out)
{
	*out = (struct request){.ifname = argv[2], .gue_port = 9886};
	out->ifindex = (int)if_nametoindex(out->ifname);
	if (out->ifindex == 0)
		return complain(FAILED, "%s: %s", out->ifname, strerror(errno));
	for (int i = 3; i < argc; i++) {
		int rc;

		if (!is_attach)
			return complain(WRONG_USE, "%s: one word too many", argv[i]);
		if (strcmp(argv[i], "--gue-port") == 0 && i + 1 < argc)
			rc = parse_port(argv[++i], &out->gue_port);
		else
			rc = parse_source(argv[i], out);
		if (rc != DONE)
			return rc;
	}
	if (is_attach && out->n_sources == 0)
		return complain(WRONG_USE, "which tunnel sources? At least one is needed");
	return DONE;
}

/* The map is full before the program sees its first packet. */
static int load(const struct request *rq, struct decap_bpf **out)
{
	struct decap_bpf *skel = decap_bpf__open();
	uint8_t is_there = 1;
	int rc;

	*out = NULL;
	if (skel == NULL)
		return -errno;
	skel->rodata->gue_port = rq->gue_port;
	rc = decap_bpf__load(skel);
	for (uint32_t i = 0; rc == 0 && i < rq->n_sources; i++)
		rc = bpf_map__update_elem(skel->maps.decap_sources, &rq->sources[i],
					  sizeof(rq->sources[i]), &is_there, sizeof(is_there),
					  BPF_ANY);
	if (rc == 0)
		*out = skel;
	else
		decap_bpf__destroy(skel);
	return rc;
}

static int attach(const struct request *rq)
{
	struct decap_bpf *skel;
	uint32_t old;
	int rc = find_own(rq->ifindex, &old);

	if (rc == -EBUSY)
		return complain(FAILED, "%s has another XDP program", rq->ifname);
	if (rc == 0)
		rc = load(rq, &skel);
	if (rc == 0) {
		rc = bpf_xdp_attach(rq->ifindex, bpf_program__fd(skel->progs.ballast_decap),
				    old == 0 ? XDP_FLAGS_UPDATE_IF_NOEXIST : 0, NULL);
		decap_bpf__destroy(skel);
	}
	return rc == 0 ? DONE : complain(FAILED, "%s: %s", rq->ifname, strerror(-rc));
}

static int detach(const struct request *rq)
{
	uint32_t id;
	int rc = find_own(rq->ifindex, &id);

	if (rc == -EBUSY || (rc == 0 && id == 0))
		return complain(FAILED, "%s: decap is not attached", rq->ifname);
	if (rc == 0)
		rc = bpf_xdp_detach(rq->ifindex, 0, NULL);
	return rc == 0 ? DONE : complain(FAILED, "%s: %s", rq->ifname, strerror(-rc));
}

int lb_ctl_decap(int argc, char **argv)
{
	bool is_attach = argc > 1 && strcmp(argv[1], "attach") == 0;
	struct request rq;
	int rc;

	if (argc < 3 || (!is_attach && strcmp(argv[1], "detach") != 0))
		return complain(WRONG_USE, "attach IFNAME SOURCE... or detach IFNAME is expected");
	rc = parse(argc, argv, is_attach, &rq);
	if (rc != DONE)
		return rc;
	return is_attach ? attach(&rq) : detach(&rq);
}
