/* Services and real servers: what they are, how they are, what they carried. */
#include "ballastctl_json.h"
#include "ballastctl_show.h"
#include "ballastctl_text.h"

#include <errno.h>
#include <string.h>

#define PORTS_SHOWN_MAX 6

#define N_OF(array) ((unsigned)(sizeof(array) / sizeof((array)[0])))

static int out_of_memory(void)
{
	fputs("ballastctl: out of memory\n", stderr);
	return LB_CTL_USAGE;
}

/* Live, total, packets and bytes both ways; `traffic` NULL: not known. */
static void cell_traffic(struct lb_ctl_table *table, const cJSON *traffic)
{
	static const struct {
		const char *key;
		const char *unit; /* NULL: an exact count */
	} columns[] = {{"connections_live", NULL}, {"connections", NULL}, {"packets_in", ""},
		       {"packets_out", ""},        {"bytes_in", "B"},     {"bytes_out", "B"}};
	char text[LB_CTL_TEXT_MAX];

	for (size_t i = 0; i < N_OF(columns); i++) {
		uint64_t n = lb_ctl_json_u64(traffic, columns[i].key);

		if (traffic == NULL)
			lb_ctl_cell(table, LB_CTL_PLAIN, "-");
		else if (columns[i].unit == NULL)
			lb_ctl_cell(table, LB_CTL_PLAIN, lb_ctl_count(n, text));
		else
			lb_ctl_cell(table, LB_CTL_PLAIN, lb_ctl_human(n, columns[i].unit, text));
	}
}

/* Past PORTS_SHOWN_MAX a service's ports are counted. */
static void cell_ports(struct lb_ctl_table *table, const cJSON *ports)
{
	char text[256] = "";
	const cJSON *port;
	size_t n = 0;
	int i = 0;

	cJSON_ArrayForEach(port, ports)
	{
		const char *word = cJSON_IsString(port) ? port->valuestring : "?";

		if (i++ == PORTS_SHOWN_MAX) {
			snprintf(text + n, sizeof(text) - n, ",+%d",
				 cJSON_GetArraySize(ports) - PORTS_SHOWN_MAX);
			break;
		}
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%.32s", n > 0 ? "," : "",
				      word);
	}
	lb_ctl_cell(table, LB_CTL_PLAIN, text);
}

static void cell_servers_up(struct lb_ctl_table *table, const cJSON *service)
{
	uint64_t up = lb_ctl_json_u64(service, "servers_up");
	int n = cJSON_GetArraySize(lb_ctl_json_get(service, "real_servers"));
	enum lb_ctl_color color = up == (uint64_t)n ? LB_CTL_GREEN : LB_CTL_YELLOW;

	lb_ctl_cellf(table, up > 0 ? color : LB_CTL_RED, "%llu/%d", (unsigned long long)up, n);
}

/* What was found of an object's traffic, without what says whose it is. */
static void hang_traffic(cJSON *object, const cJSON *found)
{
	cJSON *traffic = found != NULL ? cJSON_Duplicate(found, true) : NULL;

	if (traffic == NULL)
		return;
	cJSON_DeleteItemFromObjectCaseSensitive(traffic, "name");
	cJSON_DeleteItemFromObjectCaseSensitive(traffic, "address");
	cJSON_DeleteItemFromObjectCaseSensitive(traffic, "port");
	if (!cJSON_AddItemToObject(object, "traffic", traffic))
		cJSON_Delete(traffic);
}

/* A copy of the list whose members carry their traffic; NULL: out of memory. */
static cJSON *with_traffic(const cJSON *list, const struct lb_ctl_index *index)
{
	cJSON *copy = list != NULL ? cJSON_Duplicate(list, true) : cJSON_CreateArray();
	cJSON *item;

	cJSON_ArrayForEach(item, copy) hang_traffic(item, lb_ctl_index_find(index, item));
	return copy;
}

static int services_table(const struct lb_ctl_view *view, const cJSON *services,
			  const struct lb_ctl_index *index)
{
	static const struct lb_ctl_column columns[] = {
		{"SERVICE", false},   {"STATUS", false},    {"ADDRESS", false},
		{"PORTS", false},     {"PROTOCOL", false},  {"FORWARDING", false},
		{"SCHEDULER", false}, {"SERVERS UP", true}, {"LIVE CONNS", true},
		{"ALL CONNS", true},  {"PACKETS IN", true}, {"PACKETS OUT", true},
		{"BYTES IN", true},   {"BYTES OUT", true}};
	struct lb_ctl_table *table = lb_ctl_table_create(columns, N_OF(columns));
	const cJSON *service;

	cJSON_ArrayForEach(service, services)
	{
		const char *status = lb_ctl_json_str(service, "status");

		lb_ctl_cell(table, LB_CTL_PLAIN, lb_ctl_json_str(service, "name"));
		lb_ctl_cell(table, lb_ctl_state_color(status), status);
		lb_ctl_cell(table, LB_CTL_PLAIN, lb_ctl_json_str(service, "address"));
		cell_ports(table, lb_ctl_json_get(service, "ports"));
		lb_ctl_cell(table, LB_CTL_PLAIN, lb_ctl_json_str(service, "protocol"));
		lb_ctl_cell(table, LB_CTL_PLAIN, lb_ctl_json_str(service, "forwarding"));
		lb_ctl_cell(table, LB_CTL_PLAIN, lb_ctl_json_str(service, "scheduler"));
		cell_servers_up(table, service);
		cell_traffic(table, lb_ctl_index_find(index, service));
	}
	return lb_ctl_finish_table(view, table);
}

int lb_ctl_show_services(const struct lb_ctl_view *view, const cJSON *status, const cJSON *stats)
{
	const cJSON *services = lb_ctl_json_get(status, "virtual_services");
	struct lb_ctl_index index;
	int rc;

	if (lb_ctl_index_init(&index, lb_ctl_json_get(stats, "virtual_services")) < 0)
		return out_of_memory();
	if (view->options->is_json) {
		cJSON *list = with_traffic(services, &index);

		rc = lb_ctl_show_tree(view, list, list);
	} else {
		rc = services_table(view, services, &index);
	}
	lb_ctl_index_fini(&index);
	return rc;
}

/* ---- real servers ---- */

/* The traffic of a real server is that of its address and port, in however many pools: a later
 * pool with the same port gets a ditto mark. */
static bool is_counted_above(const cJSON *pools, const cJSON *place)
{
	const cJSON *other;

	cJSON_ArrayForEach(other, pools)
	{
		if (other == place)
			return false;
		if (lb_ctl_json_u64(other, "port") == lb_ctl_json_u64(place, "port"))
			return true;
	}
	return false;
}

/* What the counters of a place are found by, the caller's; NULL: out of memory. */
static cJSON *key_of(const cJSON *machine, const cJSON *place)
{
	const cJSON *port = lb_ctl_json_get(place, "port");
	cJSON *key = cJSON_CreateObject();

	if (key != NULL)
		cJSON_AddStringToObject(key, "name", lb_ctl_json_str(machine, "name"));
	if (key != NULL && port != NULL)
		cJSON_AddItemToObject(key, "port", cJSON_Duplicate(port, true));
	return key;
}

/* A real server without a port gets the one that the client asked for. */
static void cell_port(struct lb_ctl_table *table, const cJSON *place)
{
	if (lb_ctl_json_get(place, "port") != NULL)
		lb_ctl_cellf(table, LB_CTL_PLAIN, "%llu",
			     (unsigned long long)lb_ctl_json_u64(place, "port"));
	else
		lb_ctl_cell(table, LB_CTL_PLAIN, "client's");
}

static void cell_state(struct lb_ctl_table *table, const cJSON *place)
{
	const char *admin = lb_ctl_json_str(place, "admin_state");
	const char *status = lb_ctl_json_str(place, "status");
	char since[LB_CTL_TEXT_MAX];

	lb_ctl_cell(table, strcmp(admin, "enabled") == 0 ? LB_CTL_PLAIN : LB_CTL_YELLOW, admin);
	lb_ctl_cell(table, lb_ctl_state_color(status), status);
	lb_ctl_cell(table, LB_CTL_PLAIN,
		    lb_ctl_duration(lb_ctl_json_double(place, "since_s"), since));
}

static void add_machine(struct lb_ctl_table *table, const cJSON *machine,
			const struct lb_ctl_index *index)
{
	const cJSON *pools = lb_ctl_json_get(machine, "pools"), *place;
	char text[LB_CTL_TEXT_MAX];

	cJSON_ArrayForEach(place, pools)
	{
		const cJSON *reason = lb_ctl_json_get(place, "reason");
		cJSON *key = key_of(machine, place);

		lb_ctl_cell(table, LB_CTL_PLAIN, lb_ctl_json_str(machine, "name"));
		lb_ctl_cell(table, LB_CTL_PLAIN, lb_ctl_json_str(machine, "address"));
		cell_port(table, place);
		lb_ctl_cell(table, LB_CTL_PLAIN, lb_ctl_json_str(place, "server_pool"));
		lb_ctl_cell(table, LB_CTL_PLAIN,
			    lb_ctl_count(lb_ctl_json_u64(place, "weight"), text));
		cell_state(table, place);
		if (is_counted_above(pools, place))
			for (int i = 0; i < 6; i++)
				lb_ctl_cell(table, LB_CTL_PLAIN, "\"");
		else
			cell_traffic(table, key != NULL ? lb_ctl_index_find(index, key) : NULL);
		lb_ctl_cell(table, LB_CTL_PLAIN, cJSON_IsString(reason) ? reason->valuestring : "");
		cJSON_Delete(key);
	}
}

/* Each place of a machine has the traffic of its port. */
static cJSON *servers_with_traffic(const cJSON *servers, const struct lb_ctl_index *index)
{
	cJSON *copy = servers != NULL ? cJSON_Duplicate(servers, true) : cJSON_CreateArray();
	cJSON *machine;

	cJSON_ArrayForEach(machine, copy)
	{
		cJSON *place;

		cJSON_ArrayForEach(place, lb_ctl_json_get(machine, "pools"))
		{
			cJSON *key = key_of(machine, place);

			hang_traffic(place, key != NULL ? lb_ctl_index_find(index, key) : NULL);
			cJSON_Delete(key);
		}
	}
	return copy;
}

static int servers_table(const struct lb_ctl_view *view, const cJSON *servers,
			 const struct lb_ctl_index *index)
{
	static const struct lb_ctl_column columns[] = {
		{"SERVER", false},   {"ADDRESS", false},   {"PORT", false},
		{"POOL", false},     {"WEIGHT", true},     {"ADMIN", false},
		{"STATUS", false},   {"FOR", false},       {"LIVE CONNS", true},
		{"ALL CONNS", true}, {"PACKETS IN", true}, {"PACKETS OUT", true},
		{"BYTES IN", true},  {"BYTES OUT", true},  {"REASON", false}};
	struct lb_ctl_table *table = lb_ctl_table_create(columns, N_OF(columns));
	const cJSON *machine;

	cJSON_ArrayForEach(machine, servers) add_machine(table, machine, index);
	return lb_ctl_finish_table(view, table);
}

int lb_ctl_show_servers(const struct lb_ctl_view *view, const cJSON *status, const cJSON *stats)
{
	const cJSON *servers = lb_ctl_json_get(status, "real_servers");
	struct lb_ctl_index index;
	int rc;

	if (lb_ctl_index_init(&index, lb_ctl_json_get(stats, "real_servers")) < 0)
		return out_of_memory();
	if (view->options->is_json) {
		cJSON *list = servers_with_traffic(servers, &index);

		rc = lb_ctl_show_tree(view, list, list);
	} else {
		rc = servers_table(view, servers, &index);
	}
	lb_ctl_index_fini(&index);
	return rc;
}

/* ---- exact numbers ---- */

static int exact_table(const struct lb_ctl_view *view, const cJSON *list, bool has_port)
{
	static const char *const keys[] = {"connections_live", "connections", "packets_in",
					   "packets_out",      "bytes_in",    "bytes_out"};
	static const struct lb_ctl_column service_columns[] = {
		{"SERVICE", false},   {"LIVE CONNS", true},  {"ALL CONNS", true},
		{"PACKETS IN", true}, {"PACKETS OUT", true}, {"BYTES IN", true},
		{"BYTES OUT", true}};
	static const struct lb_ctl_column server_columns[] = {
		{"SERVER", false},   {"PORT", false},      {"LIVE CONNS", true},
		{"ALL CONNS", true}, {"PACKETS IN", true}, {"PACKETS OUT", true},
		{"BYTES IN", true},  {"BYTES OUT", true}};
	struct lb_ctl_table *table =
		has_port ? lb_ctl_table_create(server_columns, N_OF(server_columns))
			 : lb_ctl_table_create(service_columns, N_OF(service_columns));
	char text[LB_CTL_TEXT_MAX];
	const cJSON *item;

	cJSON_ArrayForEach(item, list)
	{
		lb_ctl_cell(table, LB_CTL_PLAIN, lb_ctl_json_str(item, "name"));
		if (has_port)
			cell_port(table, item);
		for (size_t i = 0; i < N_OF(keys); i++)
			lb_ctl_cell(table, LB_CTL_PLAIN,
				    lb_ctl_count(lb_ctl_json_u64(item, keys[i]), text));
	}
	return lb_ctl_finish_table(view, table);
}

int lb_ctl_show_stats(const struct lb_ctl_view *view, const cJSON *stats)
{
	char text[LB_CTL_TEXT_MAX];
	int rc = exact_table(view, lb_ctl_json_get(stats, "virtual_services"), false);

	fputc('\n', view->out);
	if (rc == LB_CTL_OK)
		rc = exact_table(view, lb_ctl_json_get(stats, "real_servers"), true);
	fprintf(view->out, "\npersistence records: %s\n",
		lb_ctl_count(lb_ctl_json_u64(stats, "persistence_records"), text));
	return rc;
}
