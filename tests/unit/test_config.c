/* The files of configs/ and configs/bad/ are the cases: each of the first loads, each of the
 * second is refused with exactly the lines of its .error file. */
#include <dirent.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "config/config_load.h"
#include "config/schema.h"
#include "lb/vlan.h"

#define FILES_MIN 6
#define BAD_FILES_MIN 30

static char *read_file(const char *path, size_t *len)
{
	FILE *file = fopen(path, "rb");
	char *text;

	cr_assert_not_null(file, "%s", path);
	cr_assert_eq(fseek(file, 0, SEEK_END), 0);
	*len = (size_t)ftell(file);
	rewind(file);
	text = calloc(1, *len + 1);
	cr_assert_not_null(text);
	cr_assert_eq(fread(text, 1, *len, file), *len);
	fclose(file);
	return text;
}

static int is_json(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return dot != NULL && strcmp(dot, ".json") == 0;
}

/* Every complaint of a list, one per line; freed by the caller. */
static char *lines_of(const struct lb_error_list *list)
{
	char *text = calloc(list->n + 2, LB_ERROR_LINE_MAX + 1), line[LB_ERROR_LINE_MAX];
	size_t used = 0;

	cr_assert_not_null(text);
	for (uint32_t i = 0; i < list->n; i++)
		used += (size_t)snprintf(text + used, LB_ERROR_LINE_MAX + 1, "%s\n",
					 lb_error_format(&list->item[i], line));
	if (list->n_more > 0)
		snprintf(text + used, LB_ERROR_LINE_MAX, "and %u more\n", list->n_more);
	return text;
}

static struct lb_error_list errors, warnings;

static struct lb_config *load_text(const char *text)
{
	struct lb_config *cfg;

	lb_config_load(text, strlen(text), NULL, &cfg, &errors, &warnings);
	return cfg;
}

static struct lb_config *load_file(const char *name)
{
	char path[4096];
	struct lb_config *cfg;
	size_t len;
	char *text, *lines;

	snprintf(path, sizeof(path), "%s/%s", CONFIGS_DIR, name);
	text = read_file(path, &len);
	lb_config_load(text, len, NULL, &cfg, &errors, &warnings);
	lines = lines_of(&errors);
	cr_assert_not_null(cfg, "%s: %s", name, lines);
	free(lines);
	free(text);
	return cfg;
}

Test(config, every_example_loads_without_a_complaint)
{
	struct dirent **entries;
	int n = scandir(CONFIGS_DIR, &entries, is_json, alphasort);

	cr_assert_geq(n, FILES_MIN);
	for (int i = 0; i < n; i++) {
		struct lb_config *cfg = load_file(entries[i]->d_name);
		char *lines = lines_of(&warnings);

		cr_expect_str_eq(lines, "", "%s: %s", entries[i]->d_name, lines);
		free(lines);
		lb_config_free(cfg);
		free(entries[i]);
	}
	free(entries);
}

Test(config, every_bad_example_is_refused_with_its_lines)
{
	struct dirent **entries;
	int n = scandir(CONFIGS_DIR "/bad", &entries, is_json, alphasort);

	cr_assert_geq(n, BAD_FILES_MIN);
	for (int i = 0; i < n; i++) {
		char path[4096], *text, *wanted, *lines;
		struct lb_document *doc;
		struct lb_config *cfg;
		size_t len, wanted_len;
		int rc;

		snprintf(path, sizeof(path), "%s/bad/%s", CONFIGS_DIR, entries[i]->d_name);
		text = read_file(path, &len);
		snprintf(path, sizeof(path), "%s/bad/%.*s.error", CONFIGS_DIR,
			 (int)strlen(entries[i]->d_name) - 5, entries[i]->d_name);
		wanted = read_file(path, &wanted_len);
		rc = lb_config_load(text, len, &doc, &cfg, &errors, NULL);
		lines = lines_of(&errors);
		cr_expect_lt(rc, 0, "%s", entries[i]->d_name);
		cr_expect_null(cfg);
		cr_expect_null(doc);
		cr_expect_str_eq(lines, wanted, "%s says:\n%s", entries[i]->d_name, lines);
		free(lines);
		free(wanted);
		free(text);
		free(entries[i]);
	}
	free(entries);
}

Test(config, keys_that_are_absent_have_the_defaults_of_the_contract)
{
	struct lb_config *cfg = load_file("minimal.json");
	const struct lb_cfg_service *svc = &cfg->services[0];
	const struct lb_cfg_monitor *m = &cfg->monitors[0];

	cr_expect_eq(cfg->node.connections, 1000000);
	cr_expect_eq(cfg->node.persistence_records, 1000000);
	cr_expect_eq(cfg->node.n_workers, 0);
	cr_expect_not(cfg->node.has_api);
	cr_expect_str_eq(cfg->node.api_socket, "/run/ballast/api.sock");
	cr_expect_eq(cfg->node.api_listen_port, 0);
	cr_expect_eq(svc->scheduler, LB_SCHED_ROUND_ROBIN);
	cr_expect_eq(svc->no_server_action, LB_NO_SERVER_DROP);
	cr_expect_eq(svc->server_down_action, LB_SERVER_DOWN_KEEP);
	cr_expect_eq(svc->server_down_drain_s, 0);
	cr_expect_eq(svc->advertise, LB_ADVERTISE_INTERFACE);
	cr_expect_eq(svc->idle_timeout_s, 7440);
	cr_expect_eq(svc->nat_source, LB_CFG_NONE);
	cr_expect_eq(svc->group, LB_CFG_NONE);
	cr_expect_eq(cfg->pools[svc->pool].reals[0].weight, 1);
	cr_expect_eq(cfg->pools[svc->pool].reals[0].admin_state, LB_ADMIN_ENABLED);
	cr_expect_eq(cfg->n_monitors, 1);
	cr_expect_str_eq(m->name, "tcp");
	cr_expect_eq(m->type, LB_MONITOR_TCP);
	cr_expect_eq(m->port, 0);
	cr_expect_eq(m->interval_ms, 250);
	cr_expect_eq(m->timeout_ms, 200);
	cr_expect_eq(m->rise, 2);
	cr_expect_eq(m->fall, 3);
	cr_expect_eq(m->jitter_percent, 10);
	lb_config_free(cfg);
}

Test(config, everything_in_the_full_example_arrives)
{
	struct lb_config *cfg = load_file("full.json");
	const struct lb_cfg_node *node = &cfg->node;
	const struct lb_cfg_service *outlook = &cfg->services[0], *ntp = &cfg->services[1];
	const struct lb_cfg_pool *cas = &cfg->pools[outlook->pool];
	char text[LB_ADDR_TEXT_MAX];

	cr_assert_eq(node->n_interfaces, 4);
	cr_expect_eq(node->interfaces[1].mtu, 9000);
	cr_expect_eq(node->interfaces[1].tags, 0);
	cr_expect_eq(node->interfaces[2].port, 1);
	cr_expect_eq(node->interfaces[2].tags,
		     (LB_VLAN_88A8 << 12 | 200u) << 16 | LB_VLAN_8100 << 12 | 100);
	cr_expect_str_eq(node->interfaces[3].device,
			 "vdev:net_pcap0,rx_pcap=in.pcap,tx_pcap=out.pcap");
	cr_expect_eq(node->interfaces[0].n_addresses, 2);
	cr_expect_eq(node->interfaces[0].addresses[1].len, 64);
	cr_expect_str_eq(lb_addr_format(&node->interfaces[0].gateway, text), "192.0.2.1");
	cr_expect_str_eq(lb_addr_format(&node->interfaces[0].gateway_ipv6, text), "2001:db8::1");
	cr_assert_eq(node->n_neighbors, 1);
	cr_expect_arr_eq(node->neighbors[0].mac, "\x02\x00\x00\x00\x00\x11", 6);
	cr_expect_eq(node->neighbors[0].interface, 0);
	cr_expect_eq(node->n_workers, 1);
	cr_expect_eq(node->workers[0], 1);
	cr_expect_eq(node->connections, 2000000);
	cr_expect_eq(node->persistence_records, 500000);
	cr_expect(node->has_api);
	cr_expect_eq(node->api_listen_port, 8480);
	cr_expect_str_eq(lb_addr_format(&node->api_listen_addr, text), "::1");
	cr_expect_eq(cfg->nat_sources[outlook->nat_source].ports.last, 59999);
	cr_expect_eq(cfg->nat_sources[0].n_addresses, 2);
	cr_expect_str_eq(cfg->groups[outlook->group].name, "outlook");
	cr_expect_str_eq(cfg->groups[ntp->group].name, "service:time");
	cr_expect_eq(cfg->groups[ntp->group].ipv4_prefix, 24);
	cr_assert_eq(cas->n_monitors, 3);
	cr_expect_str_eq(cfg->monitors[cas->monitors[1]].name, "icmp");
	cr_expect_eq(cfg->monitors[cas->monitors[1]].interval_ms, 1000, "the declared one counts");
	cr_expect_str_eq(cfg->monitors[cas->monitors[2]].name, "pool:cas:2");
	cr_expect_eq(cfg->monitors[cas->monitors[2]].jitter_percent, 0);
	cr_assert_eq(cas->n_reals, 3);
	cr_expect_eq(cas->reals[1].admin_state, LB_ADMIN_DRAIN);
	cr_expect_eq(cas->reals[2].admin_state, LB_ADMIN_DISABLED);
	cr_expect_eq(cas->reals[0].priority, 10);
	cr_expect_eq(cas->reals[1].priority, 1);
	cr_assert_eq(outlook->n_ports, 4);
	cr_expect_eq(outlook->ports[2].first, 6005);
	cr_expect_eq(outlook->ports[2].last, 59530);
	cr_expect(outlook->ports[3].first == 0 && outlook->ports[3].last == 65535);
	cr_expect_eq(outlook->scheduler, LB_SCHED_WEIGHTED_ROUND_ROBIN);
	cr_expect_eq(outlook->no_server_action, LB_NO_SERVER_REJECT);
	cr_expect_eq(outlook->server_down_action, LB_SERVER_DOWN_RESET);
	cr_expect_eq(outlook->server_down_drain_s, 30);
	cr_expect_eq(outlook->advertise, LB_ADVERTISE_NONE);
	cr_expect_eq(ntp->protocol, IPPROTO_UDP);
	cr_expect_eq(ntp->forwarding, LB_FORWARD_NAT);
	cr_expect_eq(ntp->scheduler, LB_SCHED_MAGLEV);
	cr_expect_eq(ntp->maglev_table_size, 65537);
	cr_expect_eq(lb_maglev_n_slots(cfg->tables[ntp->table]), 65537);
	cr_expect(cfg->pools[ntp->pool].is_inline);
	cr_expect_str_eq(cfg->pools[ntp->pool].name, "service:time");
	cr_expect_eq(cfg->pools[ntp->pool].reals[0].port, 1123);
	lb_config_free(cfg);
}

#define SERVICE(name, rest)                                                                        \
	"{\"name\": \"" name "\", \"address\": \"192.0.2.10\", \"forwarding\": \"fullnat\", " rest \
	", \"real_servers\": []}"
#define DOCUMENT(services) "{\"version\": 1, \"virtual_services\": [" services "]}"

Test(config, ports_of_one_address_overlap_or_do_not)
{
	static const struct {
		const char *name;
		const char *text;
		bool is_allowed;
	} cases[] = {
		{"port in a range",
		 DOCUMENT(SERVICE("a", "\"protocol\": \"tcp\", \"ports\": [80]") "," SERVICE(
			 "b", "\"protocol\": \"tcp\", \"ports\": "
			      "[\"70-90\"]")),
		 true},
		{"equal ports",
		 DOCUMENT(SERVICE("a", "\"protocol\": \"tcp\", \"ports\": [80]") "," SERVICE(
			 "b", "\"protocol\": \"tcp\", \"ports\": [81, 80]")),
		 false},
		{"other protocol",
		 DOCUMENT(SERVICE("a", "\"protocol\": \"tcp\", \"ports\": [80]") "," SERVICE(
			 "b", "\"protocol\": \"udp\", \"ports\": [80]")),
		 true},
		{"ranges that touch",
		 DOCUMENT(SERVICE("a", "\"protocol\": \"tcp\", \"ports\": "
				       "[\"10-20\", \"21-30\"]")),
		 true},
		{"ranges that overlap",
		 DOCUMENT(SERVICE("a", "\"protocol\": \"tcp\", \"ports\": "
				       "[\"10-20\", \"20-30\"]")),
		 false},
		{"a range in a range",
		 DOCUMENT(SERVICE("a", "\"protocol\": \"tcp\", \"ports\": "
				       "[\"10-90\", \"20-30\", \"40-50\"]")),
		 false},
		{"same port twice",
		 DOCUMENT(SERVICE("a", "\"protocol\": \"tcp\", \"ports\": [5, 5]")), false},
		{"a range of one port is a port",
		 DOCUMENT(SERVICE("a", "\"protocol\": \"tcp\", "
				       "\"ports\": [5, \"5-5\"]")),
		 false},
		{"any takes the VIP's own source ports",
		 DOCUMENT(SERVICE("a", "\"protocol\": \"tcp\", \"ports\": [\"any\"]")), false},
		{"a range that leaves one source port",
		 DOCUMENT(SERVICE("a", "\"protocol\": \"tcp\", \"ports\": [\"20001-49999\"]")),
		 true},
		{"ports and ranges that leave none",
		 DOCUMENT(SERVICE("a",
				  "\"protocol\": \"tcp\", \"ports\": [20000, \"20001-60000\"]")),
		 false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct lb_config *cfg = load_text(cases[i].text);

		cr_expect_eq(cfg != NULL, cases[i].is_allowed, "case %s: %s %s", cases[i].name,
			     errors.item[0].where, errors.item[0].what);
		lb_config_free(cfg);
	}
}

Test(config, what_is_probably_not_meant_is_a_warning)
{
	struct lb_config *cfg = load_text(
		"{\"version\": 1, \"node\": {\"interfaces\": [{\"name\": \"lan\", \"device\": "
		"\"af_xdp:eth1\", \"addresses\": [\"192.0.2.2/24\"]}]}, \"health_monitors\": "
		"[{\"name\": \"slow\", \"type\": \"tcp\", \"timeout_ms\": 500}], "
		"\"virtual_services\": [{\"name\": \"a\", \"address\": \"192.0.2.10\", "
		"\"protocol\": "
		"\"tcp\", \"ports\": [80], \"forwarding\": \"nat\", \"real_servers\": [{\"name\": "
		"\"r1\", \"address\": \"192.0.2.11\", \"weight\": 2}, {\"name\": \"r2\", "
		"\"address\": \"192.0.2.12\"}]}, {\"name\": \"b\", \"address\": \"192.0.2.10\", "
		"\"protocol\": \"tcp\", \"ports\": [81], \"forwarding\": \"fullnat\", "
		"\"real_servers\": []}, {\"name\": \"c\", \"address\": \"192.0.2.10\", "
		"\"protocol\": \"tcp\", \"ports\": [82], \"forwarding\": \"dsr\", "
		"\"real_servers\": [{\"name\": \"r1\", \"address\": \"192.0.2.11\"}, {\"name\": "
		"\"far\", \"address\": \"203.0.113.1\"}]}]}");
	char *lines = lines_of(&warnings);

	cr_assert_not_null(cfg, "%s", errors.item[0].what);
	cr_expect_str_eq(
		lines,
		"/health_monitors/0/timeout_ms: is longer than interval_ms (250 ms): "
		"probes of a server "
		"that does not answer follow each other 500 ms apart\n"
		"/virtual_services/0/scheduler: round_robin ignores the weights of pool "
		"\"service:a\"; "
		"weighted_round_robin follows them\n"
		"/virtual_services/0/forwarding: nat does not work for clients on "
		"192.0.2.0/24, where "
		"the real servers answer them directly; fullnat does\n"
		"/virtual_services/1: has no real server\n"
		"/virtual_services/2/forwarding: dsr reaches real servers on the link only; "
		"\"far\" at 203.0.113.1 is on no interface's subnet\n",
		"%s", lines);
	free(lines);
	lb_config_free(cfg);
}

Test(config, many_probes_of_vips_are_a_warning)
{
	static const struct {
		const char *forwarding, *vip_probe;
		bool is_many;
	} cases[] = {{"dsr", "forwarding_path", true},
		     {"dsr", "none", false},
		     {"fullnat", "forwarding_path", false}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[4096], ports[1024];
		struct lb_config *cfg;
		size_t n = 0;

		/* At 4 servers every 20 ms. */
		for (int port = 1; port <= 51; port++)
			n += (size_t)snprintf(ports + n, sizeof(ports) - n, "%s%d",
					      port > 1 ? ", " : "", port);
		snprintf(text, sizeof(text),
			 "{\"version\": 1, \"node\": {\"interfaces\": [{\"name\": \"lan\", "
			 "\"device\": \"af_xdp:eth1\", \"addresses\": [\"192.0.2.2/24\"]}]}, "
			 "\"virtual_services\": [{\"name\": \"a\", \"address\": \"192.0.2.10\", "
			 "\"protocol\": \"tcp\", \"ports\": [%s], \"forwarding\": \"%s\", "
			 "\"health_monitors\": [{\"type\": \"tcp\", \"interval_ms\": 20, "
			 "\"timeout_ms\": 20, \"vip_probe\": \"%s\"}], \"real_servers\": "
			 "[{\"name\": \"r1\", \"address\": \"192.0.2.11\"}, {\"name\": \"r2\", "
			 "\"address\": \"192.0.2.12\"}, {\"name\": \"r3\", \"address\": "
			 "\"192.0.2.13\"}, {\"name\": \"r4\", \"address\": \"192.0.2.14\"}]}]}",
			 ports, cases[i].forwarding, cases[i].vip_probe);
		cfg = load_text(text);
		cr_assert_not_null(cfg, "%s: %s", errors.item[0].where, errors.item[0].what);
		cr_expect_eq(warnings.n, cases[i].is_many);
		if (cases[i].is_many)
			cr_expect_not_null(strstr(warnings.item[0].what, "up to 10200 probes"),
					   "%s", warnings.item[0].what);
		lb_config_free(cfg);
	}
}

Test(config, more_errors_than_the_list_holds_are_counted)
{
	size_t size = 200 + 150 * 16, used;
	char *text = calloc(1, size);

	used = (size_t)snprintf(text, size, "{\"version\": 1");
	for (int i = 0; i < 150; i++)
		used += (size_t)snprintf(text + used, size - used, ", \"k%d\": 0", i);
	snprintf(text + used, size - used, "}");
	cr_expect_null(load_text(text));
	cr_expect_eq(errors.n, LB_ERRORS_MAX);
	cr_expect_eq(errors.n_more, 50);
	free(text);
}

/* Keys of the contract that a document uses; the tables are constant, so a key is its address. */
#define KEYS_MAX 256

struct key_set {
	const struct lb_schema_key *key[KEYS_MAX];
	size_t n;
};

static void add_key(struct key_set *set, const struct lb_schema_key *key)
{
	for (size_t i = 0; i < set->n; i++)
		if (set->key[i] == key)
			return;
	cr_assert_lt(set->n, KEYS_MAX);
	set->key[set->n++] = key;
}

/* `value` NULL: all keys that there are. */
static void collect_keys(struct key_set *set, const struct lb_schema *schema, const cJSON *value)
{
	const cJSON *entry;

	for (uint32_t i = 0; i < schema->n_keys; i++) {
		const struct lb_schema_key *key = &schema->keys[i];
		const cJSON *member = cJSON_GetObjectItemCaseSensitive(value, key->name);

		if (value != NULL && member == NULL)
			continue;
		add_key(set, key);
		collect_keys(set, key->schema, member);
	}
	for (uint32_t i = 0; i < schema->n_options; i++)
		if (value == NULL || cJSON_IsObject(value))
			collect_keys(set, schema->options[i], value);
	if (schema->type == LB_SCHEMA_ARRAY && value == NULL)
		collect_keys(set, schema->items, NULL);
	if (schema->type == LB_SCHEMA_ARRAY)
		cJSON_ArrayForEach(entry, value) collect_keys(set, schema->items, entry);
}

Test(config, the_full_example_has_every_key)
{
	struct key_set used = {.n = 0}, all = {.n = 0};
	size_t len;
	char *text = read_file(CONFIGS_DIR "/full.json", &len);
	cJSON *full = cJSON_ParseWithLength(text, len);

	collect_keys(&used, &lb_schema_configuration, full);
	collect_keys(&all, &lb_schema_configuration, NULL);
	cr_expect_gt(all.n, 80);
	for (size_t i = 0; i < all.n; i++) {
		bool is_used = false;

		for (size_t k = 0; k < used.n; k++)
			is_used |= used.key[k] == all.key[i];
		cr_expect(is_used, "%s", all.key[i]->name);
	}
	cJSON_Delete(full);
	free(text);
}

/* A document that grows entry by entry. */
struct writer {
	char *text;
	size_t len;
	FILE *file;
};

static void begin(struct writer *w, const char *head)
{
	w->file = open_memstream(&w->text, &w->len);
	cr_assert_not_null(w->file);
	fprintf(w->file, "{\"version\": 1, %s", head);
}

/* The place and sentence of the only complaint, or "" when the document loads. */
static const char *finish(struct writer *w, char line[LB_ERROR_LINE_MAX])
{
	struct lb_config *cfg;

	fprintf(w->file, "]}");
	fclose(w->file);
	cfg = load_text(w->text);
	cr_assert_eq(cfg == NULL, errors.n == 1, "%s", errors.item[0].what);
	lb_config_free(cfg);
	free(w->text);
	return errors.n == 0 ? "" : lb_error_format(&errors.item[0], line);
}

static void add_service(struct writer *w, uint32_t i, const char *forwarding, const char *rest)
{
	fprintf(w->file,
		"%s{\"name\": \"s%u\", \"address\": \"10.%u.%u.%u\", \"protocol\": \"tcp\", "
		"\"ports\": [80], \"forwarding\": \"%s\", \"real_servers\": []%s}",
		i > 65536 ? ", " : "", i, i >> 16, i >> 8 & 255, i & 255, forwarding, rest);
}

Test(config, virtual_ips_that_are_their_own_source_are_bounded)
{
	char line[LB_ERROR_LINE_MAX];

	for (uint32_t n = LB_NAT_SOURCES_MAX; n <= LB_NAT_SOURCES_MAX + 1; n++) {
		struct writer w;

		begin(&w, "\"virtual_services\": [");
		for (uint32_t i = 0; i < n; i++)
			add_service(&w, i + 65536, "fullnat", "");
		cr_expect_str_eq(
			finish(&w, line),
			n == LB_NAT_SOURCES_MAX
				? ""
				: "/nat_sources: there are 4097, virtual IPs that serve as "
				  "their own source included; at most 4096 are allowed");
	}
}

Test(config, entries_of_the_service_look_up_are_bounded)
{
	/* 1-65534 is 30 blocks, and two entries more for the service. */
	const uint32_t fit = LB_SERVICE_ENTRIES_MAX / 32;
	char line[LB_ERROR_LINE_MAX];

	for (uint32_t n = fit; n <= fit + 1; n++) {
		struct writer w;

		begin(&w, "\"virtual_services\": [");
		for (uint32_t i = 0; i < n; i++)
			fprintf(w.file,
				"%s{\"name\": \"s%u\", \"address\": \"10.1.%u.%u\", "
				"\"protocol\": \"tcp\", \"ports\": [\"1-65534\"], "
				"\"forwarding\": \"nat\", \"real_servers\": []}",
				i > 0 ? ", " : "", i, i >> 8, i & 255);
		cr_expect_str_eq(finish(&w, line),
				 n == fit ? ""
					  : "/virtual_services/8192/ports: the virtual services up "
					    "to this one take more than 262144 entries: one per "
					    "port, up to 30 per range and two per service");
	}
}

Test(config, persistence_groups_of_services_count)
{
	const char *own = ", \"persistence\": {\"type\": \"source_ip\"}";
	char line[LB_ERROR_LINE_MAX];

	for (uint32_t n = LB_GROUPS_MAX; n <= LB_GROUPS_MAX + 1; n++) {
		struct writer w;

		begin(&w, "\"virtual_services\": [");
		for (uint32_t i = 0; i < n; i++)
			add_service(&w, i + 65536, "nat", own);
		cr_expect_str_eq(finish(&w, line),
				 n == LB_GROUPS_MAX
					 ? ""
					 : "/persistence_groups: there are 65536, those of virtual "
					   "services included; at most 65535 are allowed");
	}
}

Test(config, nat_addresses_are_bounded)
{
	const uint32_t per_source = LB_NAT_ADDRS_MAX - 1;
	char line[LB_ERROR_LINE_MAX];

	/* 257 sources of 255 addresses are 65535. */
	for (uint32_t n = 257; n <= 258; n++) {
		struct writer w;

		begin(&w, "\"nat_sources\": [");
		for (uint32_t s = 0; s < n; s++) {
			fprintf(w.file, "%s{\"name\": \"n%u\", \"addresses\": [", s > 0 ? ", " : "",
				s);
			for (uint32_t a = 0; a < per_source; a++)
				fprintf(w.file, "%s\"10.%u.%u.%u\"", a > 0 ? ", " : "", s >> 8,
					s & 255, a + 1);
			fprintf(w.file, "]}");
		}
		cr_expect_str_eq(finish(&w, line),
				 n == 257 ? ""
					  : "/nat_sources: there are 65790 different addresses; at "
					    "most 65535 are allowed");
	}
}
