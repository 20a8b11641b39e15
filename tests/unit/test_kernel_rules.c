#include "config/config_load.h"
#include "kernel_rules.h"

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <string.h>

static const char document[] =
	"{\"version\": 1,"
	"\"nat_sources\": [{\"name\": \"s\", \"addresses\": [\"192.0.2.9\", \"2001:db8::9\"],"
	"  \"ports\": \"30000-39999\"}],"
	"\"server_pools\": [{\"name\": \"p\", \"real_servers\": ["
	"  {\"name\": \"a\", \"address\": \"192.0.2.12\"},"
	"  {\"name\": \"b\", \"address\": \"192.0.2.11\", \"port\": 8080}]}],"
	"\"virtual_services\": ["
	"{\"name\": \"own\", \"address\": \"192.0.2.10\", \"protocol\": \"tcp\", \"ports\": [80, "
	"443],"
	"  \"forwarding\": \"fullnat\", \"server_pool\": \"p\"},"
	"{\"name\": \"same\", \"address\": \"192.0.2.10\", \"protocol\": \"udp\", \"ports\": [53],"
	"  \"forwarding\": \"fullnat\", \"server_pool\": \"p\", \"nat_source\": \"s\"},"
	"{\"name\": \"nat\", \"address\": \"198.51.100.1\", \"protocol\": \"tcp\","
	"  \"ports\": [22, \"1000-2000\"], \"forwarding\": \"nat\", \"server_pool\": \"p\","
	"  \"advertise\": \"none\"}]}";

static struct lb_addr addr(const char *text)
{
	struct lb_addr a;

	cr_assert(lb_addr_parse(text, &a) == 0);
	return a;
}

static void build(struct lb_kernel_rules *rules)
{
	static struct lb_error_list errors;
	struct lb_config *cfg;

	cr_assert(lb_config_load(document, strlen(document), NULL, &cfg, &errors, NULL) == 0,
		  "%s: %s", errors.item[0].where, errors.item[0].what);
	cr_assert(lb_kernel_rules_build(cfg, rules) == 0);
	lb_config_free(cfg);
}

Test(kernel_rules, each_way_of_a_packet_has_its_rule)
{
	static const struct {
		const char *addr;
		struct lb_port_range ports;
		enum lb_steer_kind kind;
		uint8_t protocol;
	} wanted[] = {
		{"192.0.2.10", {80, 80}, LB_STEER_SERVICE, IPPROTO_TCP},
		{"192.0.2.10", {443, 443}, LB_STEER_SERVICE, IPPROTO_TCP},
		{"192.0.2.10", {20000, 49999}, LB_STEER_NAT_SOURCE, 0},
		{"192.0.2.10", {53, 53}, LB_STEER_SERVICE, IPPROTO_UDP},
		{"198.51.100.1", {22, 22}, LB_STEER_SERVICE, IPPROTO_TCP},
		{"198.51.100.1", {1000, 2000}, LB_STEER_SERVICE, IPPROTO_TCP},
		{"192.0.2.12", {22, 22}, LB_STEER_REPLY, IPPROTO_TCP},
		{"192.0.2.12", {1000, 2000}, LB_STEER_REPLY, IPPROTO_TCP},
		{"192.0.2.11", {8080, 8080}, LB_STEER_REPLY, IPPROTO_TCP},
		{"192.0.2.9", {30000, 39999}, LB_STEER_NAT_SOURCE, 0},
		{"2001:db8::9", {30000, 39999}, LB_STEER_NAT_SOURCE, 0},
	};
	const size_t n = sizeof(wanted) / sizeof(wanted[0]);
	struct lb_kernel_rules rules;

	build(&rules);
	cr_expect(rules.has_nat);
	cr_expect(rules.n_steer == n, "%zu", rules.n_steer);
	for (size_t i = 0; i < n; i++) {
		struct lb_addr a = addr(wanted[i].addr);
		uint32_t found = 0;

		for (size_t j = 0; j < rules.n_steer; j++) {
			const struct lb_steer_rule *r = &rules.steer[j];

			found += lb_addr_equal(&r->addr, &a) && r->kind == wanted[i].kind &&
				 r->ports.first == wanted[i].ports.first &&
				 r->ports.last == wanted[i].ports.last &&
				 (r->kind == LB_STEER_NAT_SOURCE ||
				  r->protocol == wanted[i].protocol);
		}
		cr_expect(found == 1, "rule %zu (%s): %u", i, wanted[i].addr, found);
	}
	lb_kernel_rules_free(&rules);
}

Test(kernel_rules, addresses_and_destinations_come_sorted_and_once)
{
	static const struct {
		const char *addr;
		uint16_t last_port;
	} addrs[] = {{"192.0.2.9", 39999}, {"192.0.2.10", 49999}, {"2001:db8::9", 39999}};
	static const char *const destinations[] = {"192.0.2.11", "192.0.2.12"};
	struct lb_kernel_rules rules;

	build(&rules);
	cr_assert(rules.n_addrs == 3, "%zu: `advertise: none` is left out", rules.n_addrs);
	for (size_t i = 0; i < 3; i++) {
		struct lb_addr a = addr(addrs[i].addr);

		cr_expect(lb_addr_equal(&rules.addrs[i].addr, &a), "%s", addrs[i].addr);
		cr_expect(rules.addrs[i].ports.last == addrs[i].last_port,
			  "%s keeps its NAT ports: %u", addrs[i].addr, rules.addrs[i].ports.last);
	}
	cr_assert(rules.n_destinations == 2);
	for (size_t i = 0; i < 2; i++) {
		struct lb_addr a = addr(destinations[i]);

		cr_expect(lb_addr_equal(&rules.destinations[i], &a), "%s", destinations[i]);
	}
	lb_kernel_rules_free(&rules);
}
