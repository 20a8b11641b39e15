/* ballast_replay - a capture through the packet path, without DPDK and without a network.
 *
 * The same pipeline as the daemon's, one worker, fed by the same commands that the control plane
 * would publish for the configuration; the clock is the capture's. Health monitors do not run:
 * every server counts as up, but for one that --down takes down. What leaves is written with the
 * time of the packet that caused it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "ballast_replay_explain.h"
#include "ballast_replay_options.h"
#include "config/config_load.h"
#include "pcap_file.h"
#include "pipeline.h"
#include "reconcile.h"

#define FRAME_MAX 65535u
#define ROOM 128u /* before and behind each frame, as in an mbuf */
#define CONNECTIONS_MIN 1000u
#define AGE_STEP_MAX_MS 250u
#define CONFIG_BYTES_MAX (256u << 20)

/* A frame that waits for its packet's first fragment. */
struct held_frame {
	uint8_t *bytes;
	uint32_t len;
	uint64_t number;
};

struct replay {
	struct lb_replay_options opt;
	struct lb_config *cfg;
	struct lb_reconcile *reconcile;
	struct lb_pipeline *pl;
	void *pipeline_mem;
	size_t pipeline_bytes;
	void *persist_mem;
	size_t persist_bytes;
	struct lb_pcap_reader in;
	struct lb_pcap_writer out;
	struct lb_explain explain;
	struct lb_burst burst;
	uint8_t (*frames)[ROOM + FRAME_MAX + ROOM]; /* of the burst, and the one just read */
	uint64_t times_ns[LB_BURST_MAX];
	uint64_t numbers[LB_BURST_MAX]; /* of the packets in the capture, from 1 */
	struct held_frame held[LB_HELD_MAX];
	uint64_t first_ns;
	uint64_t now_ms;
	uint64_t n_packets; /* read so far */
	uint32_t age_step_ms;
	uint8_t port;
};

static int read_text(const char *name, char **text, size_t *len, struct lb_error *err)
{
	FILE *file = fopen(name, "rb");
	size_t room = 0, n = 0, got;
	char *grown;

	*text = NULL;
	if (file == NULL)
		return lb_error_set(err, -errno, name, "cannot be read: %s", strerror(errno));
	do {
		if (n == room) {
			room = room == 0 ? 65536 : 2 * room;
			grown = room > CONFIG_BYTES_MAX ? NULL : realloc(*text, room);
			if (grown == NULL) {
				fclose(file);
				return lb_error_set(err, -E2BIG, name, "too large to be read");
			}
			*text = grown;
		}
		got = fread(*text + n, 1, room - n, file);
		n += got;
	} while (got != 0);
	fclose(file);
	*len = n;
	return 0;
}

static int load_config(struct replay *rp, struct lb_error *err)
{
	static struct lb_error_list errors; /* too large for the stack */
	char line[LB_ERROR_LINE_MAX];
	size_t len = 0;
	char *text;
	int rc = read_text(rp->opt.config, &text, &len, err);

	if (rc == 0) {
		rc = lb_config_load(text, len, NULL, &rp->cfg, &errors, NULL);
		for (uint32_t i = 0; i < errors.n && rc != 0; i++)
			fprintf(stderr, "%s: %s\n", rp->opt.config,
				lb_error_format(&errors.item[i], line));
		if (rc != 0)
			lb_error_set(err, rc, rp->opt.config, "refused");
	}
	free(text);
	return rc;
}

static void *map(size_t bytes)
{
	void *mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return mem == MAP_FAILED ? NULL : mem;
}

/* No capture opens more connections than it has frames: with more room nothing would differ but the
 * time of a sweep over empty buckets, which a capture of hours has thousands of. */
static int count_frames(struct replay *rp, uint32_t *n, struct lb_error *err)
{
	struct lb_pcap_frame frame;
	int rc = lb_pcap_open(rp->opt.in, &rp->in, err);

	*n = 0;
	while (rc == 0 || rc == 1) {
		rc = lb_pcap_read(&rp->in, rp->frames[0] + ROOM, FRAME_MAX, &frame, err);
		if (rc <= 0)
			break;
		++*n;
	}
	lb_pcap_close(&rp->in);
	return rc;
}

static int make_pipeline(struct replay *rp, struct lb_error *err)
{
	struct lb_pipeline_params params = {.n_workers = 1, .seed = rp->opt.seed};
	uint32_t n_records = rp->cfg->node.persistence_records, n_frames;
	int rc = count_frames(rp, &n_frames, err);

	if (rc != 0)
		return rc;
	params.n_connections = n_frames > CONNECTIONS_MIN ? n_frames : CONNECTIONS_MIN;
	if (params.n_connections > rp->cfg->node.connections)
		params.n_connections = rp->cfg->node.connections;
	rp->age_step_ms = 2000000u / params.n_connections;
	if (rp->age_step_ms > AGE_STEP_MAX_MS)
		rp->age_step_ms = AGE_STEP_MAX_MS;
	if (rp->age_step_ms == 0)
		rp->age_step_ms = 1;
	rp->persist_bytes = lb_persist_bytes(n_records);
	rp->persist_mem = map(rp->persist_bytes);
	rp->pipeline_bytes = lb_pipeline_bytes(&params);
	rp->pipeline_mem = map(rp->pipeline_bytes);
	if (rp->persist_mem == NULL || rp->pipeline_mem == NULL)
		return lb_error_set(err, -ENOMEM, rp->opt.config, "no memory for the tables");
	rc = lb_persist_init(rp->persist_mem, n_records, rp->opt.seed, &params.persist);
	if (rc == 0)
		rc = lb_pipeline_init(rp->pipeline_mem, &params, &rp->pl);
	if (rc != 0)
		return lb_error_set(err, rc, rp->opt.config, "impossible table sizes");
	return 0;
}

static int find_iface(struct replay *rp, struct lb_error *err)
{
	const struct lb_cfg_node *node = &rp->cfg->node;

	if (node->n_interfaces == 0)
		return lb_error_set(err, -EINVAL, "/node/interfaces",
				    "a replay needs at least one interface");
	if (rp->opt.iface == NULL)
		return 0;
	for (uint32_t i = 0; i < node->n_interfaces; i++)
		if (strcmp(node->interfaces[i].name, rp->opt.iface) == 0) {
			rp->port = (uint8_t)node->interfaces[i].port;
			return 0;
		}
	return lb_error_set(err, -EINVAL, "--iface", "%s is no interface of the configuration",
			    rp->opt.iface);
}

/* The MAC addresses that DPDK's net_pcap devices have, so that both ways to process a capture give
 * the same frames. */
static int add_ifaces(struct replay *rp, struct lb_cmd_list *list)
{
	for (uint32_t i = 0; i < rp->cfg->node.n_interfaces; i++) {
		const struct lb_cfg_interface *cfg = &rp->cfg->node.interfaces[i];
		uint8_t port = (uint8_t)cfg->port;
		struct lb_iface iface = {.mac = {2, 'p', 'c', 'a', 'p', port},
					 .port = port,
					 .tags = cfg->tags,
					 .mtu = cfg->mtu != 0 ? cfg->mtu : 1500};
		int rc;

		memcpy(iface.tunnel_source, cfg->tunnel_source, sizeof(iface.tunnel_source));
		rc = lb_reconcile_iface(rp->reconcile, i, &iface, list);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static int all_are_up(struct replay *rp, struct lb_cmd_list *list)
{
	struct lb_probe_spec probe;
	uint32_t cursor = 0;
	int rc = 0;

	while (rc == 0 && lb_reconcile_next_probe(rp->reconcile, &cursor, &probe))
		rc = lb_reconcile_verdict(rp->reconcile, probe.id, LB_HEALTH_UP, "", 0, list);
	return rc;
}

static int apply_config(struct replay *rp, struct lb_error *err)
{
	struct lb_reconcile_params params = {0};
	struct lb_cmd_list list = {0};
	int rc = lb_reconcile_create(&params, &rp->reconcile);

	if (rc != 0)
		return lb_error_set(err, rc, rp->opt.config, "no memory");
	rc = lb_reconcile_config(rp->reconcile, rp->cfg, 0, &list, err);
	if (rc == 0)
		rc = add_ifaces(rp, &list);
	if (rc == 0)
		rc = all_are_up(rp, &list);
	for (size_t i = 0; i < list.n && rc == 0; i++)
		lb_pipeline_apply(rp->pl, &list.cmds[i]);
	if (rc == 0)
		lb_reconcile_acked(rp->reconcile, list.generation);
	lb_cmd_list_free(&list);
	return rc;
}

/* Its slot is one that was free or has been given back. */
static int keep(struct replay *rp, uint32_t i, struct lb_error *err)
{
	const struct lb_pkt *p = &rp->burst.pkt[i];
	struct held_frame *held = &rp->held[p->held_slot];
	uint8_t *bytes = realloc(held->bytes, p->len);

	if (bytes == NULL)
		return lb_error_set(err, -ENOMEM, "", "no memory for a frame");
	memcpy(bytes, p->data, p->len);
	*held = (struct held_frame){bytes, p->len, rp->numbers[i]};
	return 0;
}

/* After a run: what leaves is written, what waits is kept. */
static int commit(struct replay *rp, struct lb_error *err)
{
	int rc = 0;

	for (uint32_t i = 0; i < rp->burst.n && rc == 0; i++) {
		const struct lb_pkt *p = &rp->burst.pkt[i];

		if (p->verdict == LB_VERDICT_TX)
			rc = lb_pcap_write(&rp->out, rp->times_ns[i], p->data, p->len, err);
		else if (p->verdict == LB_VERDICT_HOLD)
			rc = keep(rp, i, err);
	}
	rp->burst.n = 0;
	return rc;
}

static void add_packet(struct replay *rp, const uint8_t *bytes, uint32_t len, uint64_t time_ns,
		       uint64_t number)
{
	uint32_t i = rp->burst.n++;

	memcpy(rp->frames[i] + ROOM, bytes, len);
	rp->burst.pkt[i] = (struct lb_pkt){.data = rp->frames[i] + ROOM,
					   .len = len,
					   .headroom = ROOM,
					   .tailroom = ROOM + FRAME_MAX - len,
					   .port = rp->port};
	rp->times_ns[i] = time_ns;
	rp->numbers[i] = number;
}

/* Fragments whose first one has come now leave at its time. */
static int run_held(struct replay *rp, uint64_t time_ns, struct lb_error *err)
{
	struct lb_held_back back[LB_BURST_MAX];
	uint32_t n;
	int rc = 0;

	while (rc == 0 && (n = lb_pipeline_take_back(rp->pl, back, LB_BURST_MAX)) != 0) {
		for (uint32_t i = 0; i < n; i++) {
			const struct held_frame *held = &rp->held[back[i].slot];

			if (!back[i].is_ended)
				add_packet(rp, held->bytes, held->len, time_ns, held->number);
		}
		rp->explain.tracer.is_again = true;
		lb_pipeline_run_again(rp->pl, &rp->burst, rp->now_ms);
		rp->explain.tracer.is_again = false;
		rc = commit(rp, err);
	}
	return rc;
}

static int run_burst(struct replay *rp, struct lb_error *err)
{
	uint32_t n = rp->burst.n;
	int rc;

	if (n == 0)
		return 0;
	lb_pipeline_run(rp->pl, &rp->burst, rp->now_ms);
	rc = commit(rp, err);
	return rc != 0 ? rc : run_held(rp, rp->times_ns[n - 1], err);
}

/* What --down says, once its time has come. */
static int take_down(struct replay *rp)
{
	struct lb_cmd_list list = {0};
	struct lb_probe_spec probe;
	uint32_t cursor = 0;
	int rc = 0;

	if (lb_addr_is_zero(&rp->opt.down) || rp->now_ms < rp->opt.down_ms)
		return 0;
	while (rc == 0 && lb_reconcile_next_probe(rp->reconcile, &cursor, &probe))
		if (lb_addr_equal(&probe.address, &rp->opt.down))
			rc = lb_reconcile_verdict(rp->reconcile, probe.id, LB_HEALTH_DOWN, "--down",
						  rp->now_ms, &list);
	for (size_t i = 0; i < list.n && rc == 0; i++)
		lb_pipeline_apply(rp->pl, &list.cmds[i]);
	lb_cmd_list_free(&list);
	rp->opt.down = (struct lb_addr){{0}};
	return rc;
}

static int write_questions(struct replay *rp, struct lb_error *err)
{
	uint8_t room[2 * LB_QUESTION_ROOM];
	int rc = 0;

	while (rc == 0) {
		struct lb_pkt p = {.data = room + LB_QUESTION_ROOM,
				   .headroom = LB_QUESTION_ROOM,
				   .tailroom = LB_QUESTION_ROOM};

		if (!lb_pipeline_take_question(rp->pl, &p))
			break;
		rc = lb_pcap_write(&rp->out, rp->first_ns + rp->now_ms * 1000000, p.data, p.len,
				   err);
	}
	return rc;
}

/* A capture whose clock goes back stands still until it has caught up. */
static int advance_to(struct replay *rp, uint64_t to_ms, struct lb_error *err)
{
	int rc = 0;

	while (rp->now_ms < to_ms && rc == 0) {
		uint64_t left = to_ms - rp->now_ms;

		rp->now_ms += left < rp->age_step_ms ? left : rp->age_step_ms;
		lb_pipeline_age(rp->pl, rp->now_ms);
		rc = write_questions(rp, err);
		if (rc == 0 && take_down(rp) != 0)
			rc = lb_error_set(err, -ENOMEM, "--down", "no memory");
	}
	return rc;
}

/* Packets of one millisecond make a burst, up to its bound, as they would on a busy port. */
static int run_capture(struct replay *rp, struct lb_error *err)
{
	struct lb_pcap_frame frame;
	int rc = lb_pcap_open(rp->opt.in, &rp->in, err);

	if (rc == 0)
		rc = lb_pcap_create(rp->opt.out, rp->in.is_ns, &rp->out, err);
	while (rc == 0) {
		int got = lb_pcap_read(&rp->in, rp->frames[LB_BURST_MAX] + ROOM, FRAME_MAX, &frame,
				       err);
		uint64_t ms;

		if (got <= 0) {
			rc = got;
			break;
		}
		if (rp->n_packets == 0)
			rp->first_ns = frame.time_ns;
		ms = frame.time_ns > rp->first_ns ? (frame.time_ns - rp->first_ns) / 1000000 : 0;
		if (ms > rp->now_ms)
			rc = run_burst(rp, err);
		if (rc == 0)
			rc = advance_to(rp, ms, err);
		if (rc == 0)
			rc = run_held(rp, frame.time_ns, err);
		add_packet(rp, rp->frames[LB_BURST_MAX] + ROOM, frame.len, frame.time_ns,
			   ++rp->n_packets);
		if (rp->burst.n == LB_BURST_MAX && rc == 0)
			rc = run_burst(rp, err);
	}
	if (rc == 0)
		rc = run_burst(rp, err);
	return rc;
}

static int write_counters(const struct replay *rp, struct lb_error *err)
{
	uint64_t value[LB_COUNTER_N];
	FILE *file;
	int rc = 0;

	for (int i = 0; i < LB_COUNTER_N; i++)
		value[i] = lb_pipeline_counter(rp->pl, (enum lb_counter)i);
	if (lb_counters_imbalance(value) != 0)
		return lb_error_set(err, -EPROTO, "counters",
				    "%lld packets are not accounted for; please report this",
				    (long long)lb_counters_imbalance(value));
	if (rp->opt.counters == NULL)
		return 0;
	file = fopen(rp->opt.counters, "w");
	if (file == NULL)
		return lb_error_set(err, -errno, rp->opt.counters, "cannot be written: %s",
				    strerror(errno));
	fputs("{\n", file);
	for (int i = 0; i < LB_COUNTER_N; i++)
		fprintf(file, "  \"%s\": %llu%s\n", lb_counter_info[i].name,
			(unsigned long long)value[i], i + 1 < LB_COUNTER_N ? "," : "");
	fputs("}\n", file);
	if (ferror(file) != 0)
		rc = -EIO;
	if (fclose(file) != 0 || rc != 0)
		return lb_error_set(err, -EIO, rp->opt.counters, "cannot be written");
	return 0;
}

static int replay(struct replay *rp, struct lb_error *err)
{
	struct lb_error late = {0};
	int rc = load_config(rp, err), finished;

	if (rc == 0)
		rc = find_iface(rp, err);
	if (rc == 0)
		rc = make_pipeline(rp, err);
	if (rc == 0)
		rc = apply_config(rp, err);
	if (rc != 0)
		return rc;
	rp->explain.names = (struct lb_names){rp->cfg, rp->reconcile};
	rp->explain.numbers = rp->numbers;
	if (rp->opt.is_explained)
		lb_explain_start(&rp->explain, rp->pl);
	rc = run_capture(rp, err);
	finished = lb_pcap_finish(&rp->out, &late);
	if (rc == 0 && finished != 0) {
		*err = late;
		rc = finished;
	}
	return rc != 0 ? rc : write_counters(rp, err);
}

static void release(struct replay *rp)
{
	lb_pcap_close(&rp->in);
	lb_pcap_finish(&rp->out, NULL);
	if (rp->pipeline_mem != NULL)
		munmap(rp->pipeline_mem, rp->pipeline_bytes);
	if (rp->persist_mem != NULL)
		munmap(rp->persist_mem, rp->persist_bytes);
	lb_reconcile_destroy(rp->reconcile);
	lb_config_free(rp->cfg);
	for (uint32_t i = 0; i < LB_HELD_MAX; i++)
		free(rp->held[i].bytes);
	free(rp->frames);
	free(rp);
}

/* 0: done; 1: it failed on the way; 2: the command line or the configuration is wrong. */
int main(int argc, char **argv)
{
	struct replay *rp = calloc(1, sizeof(*rp));
	struct lb_error err = {0};
	int rc;

	if (rp == NULL || lb_replay_options_parse(argc, argv, &rp->opt) != 0) {
		lb_replay_usage(stderr);
		free(rp);
		return 2;
	}
	if (rp->opt.is_help) {
		lb_replay_usage(stdout);
		free(rp);
		return 0;
	}
	rp->frames = malloc((LB_BURST_MAX + 1) * sizeof(*rp->frames));
	rc = rp->frames == NULL ? lb_error_set(&err, -ENOMEM, "", "no memory") : replay(rp, &err);
	if (rc != 0)
		fprintf(stderr, "%s%s%s\n", err.where, err.where[0] != '\0' ? ": " : "", err.what);
	rc = rc == 0 ? 0 : rp->reconcile == NULL ? 2 : 1;
	release(rp);
	return rc;
}
