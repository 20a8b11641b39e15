#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>

#include "steer/service_object.h"

static struct lb_service_server servers[8];
static struct lb_port_range port = {80, 80};

static struct lb_service_params params_of(size_t n, const uint32_t *weights)
{
	struct lb_service_params p = {
		.protocol = IPPROTO_TCP,
		.scheduler = LB_SCHED_WEIGHTED_ROUND_ROBIN,
		.ports = &port,
		.n_ports = 1,
		.servers = servers,
		.n_servers = n,
	};

	for (uint32_t i = 0; i < n; i++)
		servers[i] = (struct lb_service_server){
			.real_id = i,
			.machine_id = 100 - i,
			.group_target_id = (i * 7) % 10 + 40,
			.weight = weights[i],
		};
	return p;
}

Test(service, weighted_cycle_gives_each_server_its_weight_and_spreads_it)
{
	static const struct {
		const char *name;
		size_t n;
		uint32_t weights[4];
		uint32_t cycle;
	} cases[] = {
		{"equal weights are one turn each", 3, {7, 7, 7}, 3},
		{"five to one", 2, {5, 1}, 6},
		{"a common divisor is taken out", 3, {40, 20, 10}, 7},
		{"weight 0 has no turn", 3, {2, 0, 1}, 3},
		{"all weights 0", 2, {0, 0}, 0},
		{"no server", 0, {0}, 0},
	};

	for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		struct lb_service_params p = params_of(cases[c].n, cases[c].weights);
		uint32_t turns[4] = {0}, total = 0;
		struct lb_service *svc;

		for (size_t i = 0; i < cases[c].n; i++)
			total += cases[c].weights[i];
		cr_assert_eq(lb_service_build(&p, &svc, NULL), 0, "case %s", cases[c].name);
		cr_expect_eq(svc->n_sequence, cases[c].cycle, "case %s", cases[c].name);
		for (uint32_t i = 0; i < svc->n_sequence; i++) {
			turns[svc->sequence[i]]++;
			/* Smooth: at no point is a server more than one turn from its share. */
			for (size_t s = 0; s < cases[c].n; s++) {
				double share = (double)(i + 1) * cases[c].weights[s] / total;

				cr_expect_leq(turns[s], share + 1.0, "case %s", cases[c].name);
				cr_expect_geq(turns[s], share - 1.0, "case %s", cases[c].name);
			}
		}
		for (size_t s = 0; s < cases[c].n && total != 0; s++)
			cr_expect_eq((uint64_t)turns[s] * total,
				     (uint64_t)cases[c].weights[s] * cases[c].cycle, "case %s",
				     cases[c].name);
		lb_service_free(svc);
	}
}

Test(service, finds_the_server_of_a_machine)
{
	static const uint32_t weights[] = {1, 1, 1, 1, 1};
	struct lb_service_params p = params_of(5, weights);
	struct lb_service *svc;

	cr_assert_eq(lb_service_build(&p, &svc, NULL), 0);
	for (uint32_t i = 0; i < 5; i++) {
		cr_expect_eq(lb_service_find_machine(svc, 100 - i), i);
		cr_expect_eq(lb_service_find_member(svc, (i * 7) % 10 + 40), i);
	}
	cr_expect_eq(lb_service_find_machine(svc, 95), UINT32_MAX);
	cr_expect_eq(lb_service_find_member(svc, 39), UINT32_MAX);
	cr_expect_eq(lb_service_find_machine(svc, 101), UINT32_MAX);
	lb_service_free(svc);
}

Test(service, refuses_what_exceeds_its_bounds)
{
	static const uint32_t coprime[] = {LB_SERVICE_SEQUENCE_MAX, 1};
	struct lb_service_params p = params_of(2, coprime);
	struct lb_port_range backwards = {90, 80};
	struct lb_error err = {"", ""};
	struct lb_service *svc;

	cr_expect_eq(lb_service_build(&p, &svc, &err), -E2BIG);
	cr_expect_null(svc);
	cr_expect_str_eq(err.where, "weight");
	p.scheduler = LB_SCHED_ROUND_ROBIN;
	p.ports = &backwards;
	cr_expect_eq(lb_service_build(&p, &svc, &err), -EINVAL);
	p.ports = &port;
	p.protocol = IPPROTO_ICMP;
	cr_expect_eq(lb_service_build(&p, &svc, &err), -EINVAL);
	p.protocol = IPPROTO_UDP;
	p.idle_timeout_ms = LB_TIMEOUT_MAX_S * 1000 + 1;
	cr_expect_eq(lb_service_build(&p, &svc, &err), -EINVAL);
	p.idle_timeout_ms = LB_TIMEOUT_MAX_S * 1000;
	p.n_ports = 0;
	cr_expect_eq(lb_service_build(&p, &svc, &err), -E2BIG);
	p.n_ports = 1;
	cr_expect_eq(lb_service_build(&p, &svc, &err), 0);
	cr_expect_eq(lb_service_bytes(svc) % 64, 0u);
	lb_service_free(svc);
	lb_service_free(NULL);
}
