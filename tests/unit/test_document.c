#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "config/config_load.h"
#include "config/document_edit.h"
#include "config/json.h"
#include "random.h"

static struct lb_error_list errors;

static struct lb_document *document(const char *text)
{
	struct lb_document *doc;

	lb_error_list_init(&errors);
	lb_document_parse(text, strlen(text), &doc, &errors);
	cr_assert_not_null(doc, "%s: %s", errors.item[0].where, errors.item[0].what);
	return doc;
}

static char *text_of(const struct lb_document *doc)
{
	size_t len;
	char *text;

	cr_assert_eq(lb_document_print(doc, &text, &len), 0);
	return text;
}

#define REAL(name, address, rest) "{\"name\":\"" name "\",\"address\":\"" address "\"" rest "}"
#define WEB(reals) \
	"{\"name\":\"web\",\"labels\":{\"a\":\"1\",\"b\":\"2\"},\"real_servers\":[" reals "]}"
#define MAIL "{\"name\":\"mail\",\"real_servers\":[" REAL("r1", "192.0.2.1", "") "]}"
#define R1 REAL("r1", "192.0.2.1", "")
#define R2 REAL("r2", "192.0.2.2", ",\"weight\":5")
#define POOLS(pools) "{\"version\":1,\"server_pools\":[" pools "]}"
#define BEFORE POOLS(WEB(R1 "," R2) "," MAIL)

static const struct {
	const char *name;
	enum lb_edit op;
	const char *path;
	const char *body; /* NULL: none */
	int rc;
	const char *after; /* NULL: refused */
} edits[] = {
	{"add a pool", LB_EDIT_POST, "server-pools", "{\"name\":\"ftp\"}", 1,
	 POOLS(WEB(R1 "," R2) "," MAIL ",{\"name\":\"ftp\"}")},
	{"add a pool again", LB_EDIT_POST, "server-pools", "{\"name\":\"web\"}", -EEXIST, NULL},
	{"add text", LB_EDIT_POST, "server-pools", "\"web\"", -EINVAL, NULL},
	{"add to an object", LB_EDIT_POST, "server-pools/web", "{}", -EOPNOTSUPP, NULL},
	{"add a service where there is no list", LB_EDIT_POST, "virtual-services",
	 "{\"name\":\"s\"}", 1,
	 "{\"version\":1,\"server_pools\":[" WEB(R1 "," R2) "," MAIL "],\"virtual_services\":["
							    "{\"name\":\"s\"}]}"},
	{"add a server", LB_EDIT_POST, "server-pools/mail/real-servers", R2, 1,
	 POOLS(WEB(R1 "," R2) ",{\"name\":\"mail\",\"real_servers\":[" R1 "," R2 "]}")},
	{"add a server to no pool", LB_EDIT_POST, "server-pools/ftp/real-servers", R2, -ENOENT,
	 NULL},
	{"replace a server in place", LB_EDIT_PUT, "server-pools/web/real-servers/r1",
	 "{\"address\":\"192.0.2.9\"}", 0, POOLS(WEB(REAL("r1", "192.0.2.9", "") "," R2) "," MAIL)},
	{"put a new server", LB_EDIT_PUT, "server-pools/mail/real-servers/r2", R2, 1,
	 POOLS(WEB(R1 "," R2) ",{\"name\":\"mail\",\"real_servers\":[" R1 "," R2 "]}")},
	{"put under another name", LB_EDIT_PUT, "server-pools/web", "{\"name\":\"x\"}", -EINVAL,
	 NULL},
	{"replace a list", LB_EDIT_PUT, "server-pools/web/real-servers", "[]", 0,
	 POOLS(WEB("") "," MAIL)},
	{"replace a list by an object", LB_EDIT_PUT, "server-pools", "{}", -EINVAL, NULL},
	{"patch adds, changes and removes", LB_EDIT_PATCH, "server-pools/web",
	 "{\"labels\":{\"b\":null,\"a\":\"9\",\"c\":\"3\"},\"description\":\"d\",\"x\":"
	 "null}",
	 0,
	 POOLS("{\"name\":\"web\",\"labels\":{\"a\":\"9\",\"c\":\"3\"},\"real_servers\":"
	       "[" R1 "," R2 "],\"description\":\"d\"}," MAIL)},
	{"patch replaces lists and what is no object", LB_EDIT_PATCH, "server-pools/web",
	 "{\"labels\":\"l\",\"real_servers\":{\"a\":{\"b\":null}}}", 0,
	 POOLS("{\"name\":\"web\",\"labels\":\"l\",\"real_servers\":{\"a\":{}}}," MAIL)},
	{"patch renames", LB_EDIT_PATCH, "server-pools/web", "{\"name\":\"x\"}", -EINVAL, NULL},
	{"patch with its own name", LB_EDIT_PATCH, "server-pools/web/real-servers/r2",
	 "{\"name\":\"r2\",\"weight\":null}", 0,
	 POOLS(WEB(R1 "," REAL("r2", "192.0.2.2", "")) "," MAIL)},
	{"patch what is not there", LB_EDIT_PATCH, "server-pools/web/real-servers/r9", "{}",
	 -ENOENT, NULL},
	{"patch a list", LB_EDIT_PATCH, "server-pools", "{}", -EOPNOTSUPP, NULL},
	{"delete a server", LB_EDIT_DELETE, "server-pools/web/real-servers/r1", NULL, 0,
	 POOLS(WEB(R2) "," MAIL)},
	{"delete a pool", LB_EDIT_DELETE, "server-pools/web", NULL, 0, POOLS(MAIL)},
	{"delete what is not there", LB_EDIT_DELETE, "virtual-services/s", NULL, -ENOENT, NULL},
	{"delete a list", LB_EDIT_DELETE, "server-pools", NULL, -EOPNOTSUPP, NULL},
	{"drain a machine everywhere", LB_EDIT_PATCH, "real-servers/r1",
	 "{\"admin_state\":\"drain\"}", 0,
	 POOLS(WEB(REAL("r1", "192.0.2.1",
			",\"admin_state\":\"drain\"") "," R2) ",{\"name\":\"mail\",\"real_"
							      "servers\":[" REAL("r1", "192.0.2.1",
										 ",\"admin_"
										 "state\":"
										 "\"drain\"") "]"
											      "}")},
	{"weight of a machine", LB_EDIT_PATCH, "real-servers/r1", "{\"weight\":1}", -EINVAL, NULL},
	{"an unknown machine", LB_EDIT_PATCH, "real-servers/r9", "{\"admin_state\":\"drain\"}",
	 -ENOENT, NULL},
	{"delete a machine", LB_EDIT_DELETE, "real-servers/r1", NULL, -EOPNOTSUPP, NULL},
	{"no such list", LB_EDIT_PUT, "servers", "[]", -ENOENT, NULL},
	{"nothing", LB_EDIT_DELETE, "", NULL, -ENOENT, NULL},
	{"add a monitor where there is no list", LB_EDIT_POST, "health-monitors",
	 "{\"name\":\"m\",\"type\":\"icmp\"}", 1,
	 "{\"version\":1,\"server_pools\":[" WEB(R1 "," R2) "," MAIL
	 "],\"health_monitors\":[{\"name\":\"m\",\"type\":\"icmp\"}]}"},
	{"put a group", LB_EDIT_PUT, "persistence-groups/g", "{\"timeout_s\":60}", 1,
	 "{\"version\":1,\"server_pools\":[" WEB(R1 "," R2) "," MAIL
	 "],\"persistence_groups\":[{\"name\":\"g\",\"timeout_s\":60}]}"},
	{"put a list of sources", LB_EDIT_PUT, "nat-sources", "[{\"name\":\"n\"}]", 0,
	 "{\"version\":1,\"server_pools\":[" WEB(R1 "," R2) "," MAIL
	 "],\"nat_sources\":[{\"name\":\"n\"}]}"},
	{"delete a group that is not there", LB_EDIT_DELETE, "persistence-groups/g", NULL, -ENOENT,
	 NULL},
	{"servers of a monitor", LB_EDIT_PUT, "health-monitors/m/real-servers", "[]", -ENOENT,
	 NULL},
	{"too deep", LB_EDIT_DELETE, "server-pools/web/real-servers/r1/x", NULL, -ENOENT, NULL},
	{"servers of a service", LB_EDIT_PUT, "virtual-services/s/real-servers", "[]", -ENOENT,
	 NULL},
};

Test(document, edits_do_what_the_method_says)
{

	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		struct lb_document *doc = document(BEFORE), *out;
		struct lb_document *after = edits[i].after != NULL ? document(edits[i].after)
								   : NULL;
		char *before_text = text_of(doc), *again = NULL, *got = NULL, *wanted = NULL;
		cJSON *body = edits[i].body != NULL ? cJSON_Parse(edits[i].body) : NULL;
		int rc;

		lb_error_list_init(&errors);
		rc = lb_document_edit(doc, edits[i].op, edits[i].path, body, &out, &errors);
		cr_expect_eq(rc, edits[i].rc, "case %s: %d", edits[i].name, rc);
		cr_expect_eq(errors.n > 0, rc < 0, "case %s", edits[i].name);
		cr_assert_eq(out != NULL, after != NULL, "case %s", edits[i].name);
		if (out != NULL) {
			got = text_of(out);
			wanted = text_of(after);
			cr_expect_str_eq(got, wanted, "case %s: %s", edits[i].name, got);
			cr_expect_eq(out->hash_shared, after->hash_shared);
		}
		again = text_of(doc);
		cr_expect_str_eq(again, before_text, "case %s", edits[i].name);
		free(again);
		free(got);
		free(wanted);
		free(before_text);
		cJSON_Delete(body);
		lb_document_free(out);
		lb_document_free(after);
		lb_document_free(doc);
	}
}

Test(document, resources_are_found_by_their_path)
{
	static const struct {
		const char *path;
		int rc;
		const char *name; /* of the object; NULL: a list */
		bool is_absent;
	} cases[] = {
		{"server-pools", 0, NULL, false},
		{"server-pools/mail", 0, "mail", false},
		{"server-pools/web/real-servers", 0, NULL, false},
		{"server-pools/web/real-servers/r2", 0, "r2", false},
		{"real-servers/r2", 0, "r2", false},
		{"virtual-services", 0, NULL, true},
		{"health-monitors", 0, NULL, true},
		{"nat-sources/x", -ENOENT, NULL, true},
		{"virtual-services/x", -ENOENT, NULL, true},
		{"real-servers", -ENOENT, NULL, true},
		{"real-servers/r3", -ENOENT, NULL, true},
		{"server-pools/x", -ENOENT, NULL, true},
		{"server-pools/x/real-servers", -ENOENT, NULL, true},
		{"server-pools/web/labels", -ENOENT, NULL, true},
		{"version", -ENOENT, NULL, true},
	};
	struct lb_document *doc = document(BEFORE);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const cJSON *found;

		cr_expect_eq(lb_document_find(doc, cases[i].path, &found), cases[i].rc, "case %s",
			     cases[i].path);
		cr_assert_eq(found == NULL, cases[i].is_absent, "case %s", cases[i].path);
		if (cases[i].name != NULL)
			cr_expect_str_eq(
				cJSON_GetObjectItemCaseSensitive(found, "name")->valuestring,
				cases[i].name);
		else if (found != NULL)
			cr_expect(cJSON_IsArray(found), "case %s", cases[i].path);
	}
	lb_document_free(doc);
}

Test(document, the_etag_has_a_half_for_the_node_and_one_for_the_rest)
{
	struct lb_document *one = document("{\"version\":1,\"node\":{\"workers\":[1]}}");
	struct lb_document *other_node = document("{\"node\":{\"workers\":[2]},\"version\":1}");
	struct lb_document *other_rest = document("{\"version\":2,\"node\":{\"workers\":[1]}}");
	struct lb_document *empty = lb_document_create_empty();
	struct lb_document *no_node = document(" {\"version\" : 1.0}");
	char a[LB_ETAG_MAX], b[LB_ETAG_MAX];

	cr_expect_eq(strlen(lb_document_etag(one, a)), 33);
	cr_expect_eq(strncmp(a, lb_document_etag(other_node, b), 17), 0);
	cr_expect_neq(strcmp(a + 17, b + 17), 0);
	cr_expect_neq(strncmp(a, lb_document_etag(other_rest, b), 17), 0);
	cr_expect_eq(strcmp(a + 17, b + 17), 0);
	cr_expect_str_eq(lb_document_etag(empty, a), lb_document_etag(no_node, b));
	lb_document_free(one);
	lb_document_free(other_node);
	lb_document_free(other_rest);
	lb_document_free(empty);
	lb_document_free(no_node);
}

Test(document, boot_keys_that_differ_are_named)
{
	static const struct {
		const char *name;
		const char *running;
		const char *wanted;
		const char *places; /* with a space behind each */
	} cases[] = {
		{"nothing", "{}", "{}", ""},
		{"defaults written down", "{}",
		 "{\"workers\":\"auto\",\"limits\":{\"connections\":1000000},\"api\":{\"socket\":"
		 "\"/run/ballast/api.sock\"},\"interfaces\":[]}",
		 ""},
		{"order and spelling", "{\"workers\":[1],\"limits\":{\"connections\":1e3}}",
		 "{\"limits\":{\"connections\":1000},\"workers\":[1.0]}", ""},
		{"cores", "{}", "{\"workers\":[1]}", "/node/workers "},
		{"limits", "{\"limits\":{\"connections\":100}}", "{}", "/node/limits/connections "},
		{"listen", "{\"api\":{}}", "{\"api\":{\"listen\":\"[::1]:1\"}}",
		 "/node/api/listen "},
		{"an interface more", "{}", "{\"interfaces\":[{\"name\":\"a\"}]}",
		 "/node/interfaces "},
		{"an interface's device, not its description",
		 "{\"interfaces\":[{\"name\":\"a\"},{\"name\":\"b\",\"device\":\"x\"}]}",
		 "{\"interfaces\":[{\"name\":\"a\",\"labels\":{}},{\"name\":\"b\",\"device\":\"y\"}"
		 "]}",
		 "/node/interfaces/1/device "},
		{"neighbors are live", "{}", "{\"neighbors\":[{}],\"description\":\"d\"}", ""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[2][512], places[512] = "";
		struct lb_document *running, *wanted;

		snprintf(text[0], sizeof(text[0]), "{\"node\":%s}", cases[i].running);
		snprintf(text[1], sizeof(text[1]), "{\"version\":1,\"node\":%s}", cases[i].wanted);
		running = document(text[0]);
		wanted = document(text[1]);
		lb_error_list_init(&errors);
		cr_expect_eq(lb_document_boot_changes(running, wanted, &errors), errors.n);
		for (uint32_t e = 0; e < errors.n; e++) {
			strncat(places, errors.item[e].where, sizeof(places) - strlen(places) - 1);
			strncat(places, " ", sizeof(places) - strlen(places) - 1);
		}
		cr_expect_str_eq(places, cases[i].places, "case %s: %s", cases[i].name, places);
		lb_document_free(running);
		lb_document_free(wanted);
	}
}

/* The twin: which pools and servers there are, and which pool each service names. */
#define N_POOLS 3
#define N_REALS 4
#define N_SERVICES 3
#define ROUNDS 3000

struct twin {
	bool has_pool[N_POOLS];
	int weight[N_POOLS][N_REALS]; /* -1: not listed */
	int pool_of[N_SERVICES];      /* -1: no such service */
};

struct step {
	enum lb_edit op;
	char path[64];
	char body[512];
	unsigned int kind, pool, real, service;
	int weight;
};

static void draw_step(struct test_random *random, struct step *s)
{
	static const enum lb_edit ops[] = {LB_EDIT_POST, LB_EDIT_PUT, LB_EDIT_PATCH,
					   LB_EDIT_DELETE};

	s->op = ops[test_random(random) % 4];
	s->kind = (unsigned int)(test_random(random) % 3);
	s->pool = (unsigned int)(test_random(random) % N_POOLS);
	s->real = (unsigned int)(test_random(random) % N_REALS);
	s->service = (unsigned int)(test_random(random) % N_SERVICES);
	/* A quarter of the weights is not allowed. */
	s->weight = test_random(random) % 4 == 0 ? 65536 : (int)(test_random(random) % 65536);
	if (s->kind == 0) {
		snprintf(s->path, sizeof(s->path), "server-pools");
		snprintf(s->body, sizeof(s->body), "{\"name\":\"p%u\"}", s->pool);
		if (s->op != LB_EDIT_POST)
			snprintf(s->path, sizeof(s->path), "server-pools/p%u", s->pool);
	} else if (s->kind == 1) {
		snprintf(s->path, sizeof(s->path), "server-pools/p%u/real-servers", s->pool);
		if (s->op != LB_EDIT_POST)
			snprintf(s->path, sizeof(s->path), "server-pools/p%u/real-servers/r%u",
				 s->pool, s->real);
		snprintf(s->body, sizeof(s->body),
			 "{\"name\":\"r%u\",\"address\":\"192.0.2.%u\",\"weight\":%d}", s->real,
			 s->real + 10, s->weight);
	} else {
		snprintf(s->path, sizeof(s->path), "virtual-services");
		if (s->op != LB_EDIT_POST)
			snprintf(s->path, sizeof(s->path), "virtual-services/s%u", s->service);
		snprintf(s->body, sizeof(s->body),
			 "{\"name\":\"s%u\",\"address\":\"198.51.100.1\",\"protocol\":\"tcp\","
			 "\"ports\":"
			 "[%u],\"forwarding\":\"fullnat\",\"server_pool\":\"p%u\"}",
			 s->service, s->service + 1, s->pool);
	}
}

/* What the step makes of one thing that is there or not: the expected return. */
static int expected_rc(enum lb_edit op, bool is_there)
{
	if (op == LB_EDIT_POST)
		return is_there ? -EEXIST : 1;
	if (op == LB_EDIT_PUT)
		return is_there ? 0 : 1;
	return is_there ? 0 : -ENOENT;
}

static int twin_step(struct twin *t, const struct step *s)
{
	const bool is_gone = s->op == LB_EDIT_DELETE;
	int rc;

	if (s->kind == 0) {
		rc = expected_rc(s->op, t->has_pool[s->pool]);
		if (rc < 0)
			return rc;
		/* A patch leaves the servers, all else makes a pool without any. */
		for (unsigned int r = 0; r < N_REALS && s->op != LB_EDIT_PATCH; r++)
			t->weight[s->pool][r] = -1;
		t->has_pool[s->pool] = !is_gone;
	} else if (s->kind == 1) {
		if (!t->has_pool[s->pool])
			return -ENOENT;
		rc = expected_rc(s->op, t->weight[s->pool][s->real] >= 0);
		if (rc >= 0)
			t->weight[s->pool][s->real] = is_gone ? -1 : s->weight;
	} else {
		rc = expected_rc(s->op, t->pool_of[s->service] >= 0);
		if (rc >= 0)
			t->pool_of[s->service] = is_gone ? -1 : (int)s->pool;
	}
	return rc;
}

static bool twin_is_valid(const struct twin *t)
{
	for (unsigned int p = 0; p < N_POOLS; p++)
		for (unsigned int r = 0; r < N_REALS; r++)
			if (t->weight[p][r] > 65535)
				return false;
	for (unsigned int s = 0; s < N_SERVICES; s++)
		if (t->pool_of[s] >= 0 && !t->has_pool[t->pool_of[s]])
			return false;
	return true;
}

static void expect_like_twin(const struct twin *t, const struct lb_config *cfg)
{
	uint32_t n_pools = 0, n_services = 0;

	for (unsigned int p = 0; p < N_POOLS; p++)
		n_pools += t->has_pool[p];
	for (unsigned int s = 0; s < N_SERVICES; s++)
		n_services += t->pool_of[s] >= 0;
	cr_assert_eq(cfg->n_pools, n_pools);
	cr_assert_eq(cfg->n_services, n_services);
	for (uint32_t p = 0; p < cfg->n_pools; p++) {
		const int *weight = t->weight[cfg->pools[p].name[1] - '0'];
		uint32_t n_reals = 0;

		for (unsigned int r = 0; r < N_REALS; r++)
			n_reals += weight[r] >= 0;
		cr_assert_eq(cfg->pools[p].n_reals, n_reals);
		for (uint32_t r = 0; r < n_reals; r++)
			cr_assert_eq((int)cfg->pools[p].reals[r].weight,
				     weight[cfg->pools[p].reals[r].name[1] - '0']);
	}
	for (uint32_t s = 0; s < cfg->n_services; s++)
		cr_assert_eq(cfg->pools[cfg->services[s].pool].name[1] - '0',
			     t->pool_of[cfg->services[s].name[1] - '0']);
}

Test(document, random_edits_are_applied_whole_or_not_at_all)
{
	uint64_t seed = test_seed("document");
	struct test_random random = {seed};
	struct lb_document *doc = lb_document_create_empty();
	struct twin twin = {0};
	unsigned int n_applied = 0, n_refused = 0, n_invalid = 0;

	memset(twin.weight, 0xff, sizeof(twin.weight));
	memset(twin.pool_of, 0xff, sizeof(twin.pool_of));
	for (int round = 0; round < ROUNDS; round++) {
		struct twin next = twin;
		struct lb_document *out;
		struct lb_config *cfg = NULL;
		struct step step;
		char *before = text_of(doc), *after;
		cJSON *body;
		int rc;

		draw_step(&random, &step);
		body = step.op == LB_EDIT_DELETE ? NULL : cJSON_Parse(step.body);
		lb_error_list_init(&errors);
		rc = lb_document_edit(doc, step.op, step.path, body, &out, &errors);
		cr_assert_eq(rc, twin_step(&next, &step), "seed %llu round %d: %d",
			     (unsigned long long)seed, round, rc);
		n_refused += rc < 0;
		if (rc >= 0) {
			rc = lb_config_build(out, &cfg, &errors, NULL);
			cr_assert_eq(rc == 0, twin_is_valid(&next), "seed %llu round %d: %s",
				     (unsigned long long)seed, round, errors.item[0].what);
			n_invalid += rc < 0;
		}
		after = text_of(doc);
		cr_assert_str_eq(after, before, "seed %llu round %d", (unsigned long long)seed,
				 round);
		if (rc == 0) {
			n_applied++;
			twin = next;
			expect_like_twin(&twin, cfg);
			lb_document_free(doc);
			doc = out;
			out = NULL;
		}
		lb_config_free(cfg);
		lb_document_free(out);
		cJSON_Delete(body);
		free(before);
		free(after);
	}
	cr_expect(n_applied > 100 && n_refused > 100 && n_invalid > 100, "%u %u %u", n_applied,
		  n_refused, n_invalid);
	lb_document_free(doc);
}
