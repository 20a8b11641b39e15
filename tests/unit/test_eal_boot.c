#include "runtime/eal_boot.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#define ARGS_MAX 8u

struct plan_case {
	const char *name;
	uint32_t n_cores; /* of the machine: 0..n-1 */
	uint32_t n_free;  /* behind them, kept free by isolcpus */
	uint32_t hugepage_mib;
	uint32_t workers[4];
	uint32_t n_workers;
	const char *user[ARGS_MAX];
	const char *pci; /* NULL: none */
	uint32_t memory_mib;
	const char *has[ARGS_MAX];   /* arguments that must be there, in this order */
	const char *hasnt[ARGS_MAX]; /* and that must not */
};

static const struct plan_case good[] = {
	{.name = "a worker on the second core, black box",
	 .n_cores = 2,
	 .workers = {1},
	 .n_workers = 1,
	 .user = {"--no-huge", "--no-pci"},
	 .memory_mib = 40,
	 .has = {"ballastd", "--lcores=0@(0),1@1", "--file-prefix=ballast-77", "--no-telemetry",
		 "--no-shconf", "-m", "64", "--no-huge"},
	 .hasnt = {"--in-memory"}},
	{.name = "one core is shared",
	 .n_cores = 1,
	 .workers = {0},
	 .n_workers = 1,
	 .user = {"--no-huge"},
	 .memory_mib = 40,
	 .has = {"--lcores=0@(0),1@0", "--no-pci"}},
	{.name = "auto leaves the lowest core to control",
	 .n_cores = 4,
	 .user = {"--no-huge"},
	 .memory_mib = 40,
	 .has = {"--lcores=0@(0),1@1,2@2,3@3"}},
	{.name = "control roams over what workers leave",
	 .n_cores = 4,
	 .workers = {2, 1},
	 .n_workers = 2,
	 .user = {"--no-huge"},
	 .memory_mib = 40,
	 .has = {"--lcores=0@(0,3),1@2,2@1"}},
	{.name = "workers on cores that are kept free, control on one that is not",
	 .n_cores = 1,
	 .n_free = 3,
	 .workers = {3, 1},
	 .n_workers = 2,
	 .user = {"--no-huge"},
	 .memory_mib = 40,
	 .has = {"--lcores=0@(0),1@3,2@1"}},
	{.name = "auto leaves cores that are kept free alone",
	 .n_cores = 2,
	 .n_free = 2,
	 .user = {"--no-huge"},
	 .memory_mib = 40,
	 .has = {"--lcores=0@(0),1@1"}},
	{.name = "pools larger than EAL's default",
	 .n_cores = 2,
	 .workers = {1},
	 .n_workers = 1,
	 .user = {"--no-huge"},
	 .memory_mib = 90,
	 .has = {"-m", "90", "--no-huge"}},
	{.name = "the user's size wins",
	 .n_cores = 2,
	 .workers = {1},
	 .n_workers = 1,
	 .user = {"--no-huge", "-m", "70"},
	 .memory_mib = 90,
	 .has = {"--no-huge", "-m", "70"},
	 .hasnt = {"90"}},
	{.name = "the user's size in one word",
	 .n_cores = 2,
	 .workers = {1},
	 .n_workers = 1,
	 .user = {"--no-huge", "-m70"},
	 .memory_mib = 90,
	 .has = {"--no-huge", "-m70"},
	 .hasnt = {"90", "-m"}},
	{.name = "the user's prefix and shconf are not doubled",
	 .n_cores = 2,
	 .workers = {1},
	 .n_workers = 1,
	 .user = {"--no-huge", "--no-shconf", "--file-prefix=x"},
	 .memory_mib = 40,
	 .has = {"-m", "--no-huge", "--no-shconf", "--file-prefix=x"},
	 .hasnt = {"--file-prefix=ballast-77"}},
	{.name = "huge pages without files",
	 .n_cores = 2,
	 .hugepage_mib = 128,
	 .workers = {1},
	 .n_workers = 1,
	 .memory_mib = 90,
	 .has = {"--in-memory", "--no-pci"},
	 .hasnt = {"--no-huge", "-m"}},
	{.name = "the user's own way with huge pages",
	 .n_cores = 2,
	 .hugepage_mib = 0,
	 .workers = {1},
	 .n_workers = 1,
	 .user = {"--huge-dir=/mnt/huge"},
	 .memory_mib = 90,
	 .has = {"--huge-dir=/mnt/huge"},
	 .hasnt = {"--no-huge", "--in-memory", "-m"}},
	{.name = "too few huge pages and no PCI device",
	 .n_cores = 2,
	 .hugepage_mib = 20,
	 .workers = {1},
	 .n_workers = 1,
	 .memory_mib = 90,
	 .has = {"--no-huge", "--no-shconf", "-m", "90"},
	 .hasnt = {"--in-memory"}},
	{.name = "only the named PCI device is touched",
	 .n_cores = 2,
	 .hugepage_mib = 128,
	 .workers = {1},
	 .n_workers = 1,
	 .pci = "0000:03:00.0",
	 .memory_mib = 90,
	 .has = {"--in-memory", "-a", "0000:03:00.0"},
	 .hasnt = {"--no-pci"}},
	{.name = "the user's allow list wins",
	 .n_cores = 2,
	 .hugepage_mib = 128,
	 .workers = {1},
	 .n_workers = 1,
	 .pci = "0000:03:00.0",
	 .user = {"--allow=0000:03:00.0,x=1"},
	 .memory_mib = 90,
	 .has = {"--allow=0000:03:00.0,x=1"},
	 .hasnt = {"-a"}},
	{.name = "an option that begins like ours is not ours",
	 .n_cores = 2,
	 .workers = {1},
	 .n_workers = 1,
	 .user = {"--no-huge", "--no-pcix"},
	 .memory_mib = 40,
	 .has = {"--no-pci", "--no-pcix"}},
};

struct refused_case {
	struct plan_case plan;
	int code;
	const char *where;
	const char *what; /* a part of it */
};

static const struct refused_case refused[] = {
	{{.name = "cores by the user", .n_cores = 2, .user = {"-l0"}},
	 -EINVAL,
	 "-l0",
	 "/node/workers"},
	{{.name = "lcores by the user", .n_cores = 2, .user = {"--lcores=0@0"}},
	 -EINVAL,
	 "--lcores=0@0",
	 "/node/workers"},
	{{.name = "a core that is not there", .n_cores = 2, .workers = {7}, .n_workers = 1},
	 -EINVAL,
	 "/node/workers",
	 "core 7 is not one of those that this process may use: 0,1"},
	{{.name = "a core far out", .n_cores = 2, .workers = {4000000000u}, .n_workers = 1},
	 -EINVAL,
	 "/node/workers",
	 "core 4000000000"},
	{{.name = "a core twice", .n_cores = 2, .workers = {1, 1}, .n_workers = 2},
	 -EINVAL,
	 "/node/workers",
	 "twice"},
	{{.name = "no huge pages for a PCI device",
	  .n_cores = 2,
	  .pci = "0000:03:00.0",
	  .memory_mib = 91},
	 -ENOMEM,
	 "hugepages",
	 "91 MiB are needed: write 46 to"},
	{{.name = "no PCI and a PCI device",
	  .n_cores = 2,
	  .pci = "0000:03:00.0",
	  .hugepage_mib = 999,
	  .user = {"--no-pci"}},
	 -EINVAL,
	 "--no-pci",
	 "0000:03:00.0"},
};

static int plan(const struct plan_case *c, struct lb_eal *eal, struct lb_error *err)
{
	struct lb_eal_machine machine = {.hugepage_bytes = (uint64_t)c->hugepage_mib << 20,
					 .pid = 77};
	struct lb_eal_request req = {
		.program = "ballastd",
		.user_args = c->user,
		.worker_cores = c->workers,
		.n_worker_cores = c->n_workers,
		.pci = &c->pci,
		.n_pci = c->pci != NULL,
		.memory_mib = c->memory_mib,
	};

	while (c->user[req.n_user_args] != NULL)
		req.n_user_args++;
	CPU_ZERO(&machine.cores);
	for (uint32_t i = 0; i < c->n_cores; i++)
		CPU_SET(i, &machine.cores);
	machine.reachable = machine.cores;
	for (uint32_t i = c->n_cores; i < c->n_cores + c->n_free; i++)
		CPU_SET(i, &machine.reachable);
	return lb_eal_plan(&req, &machine, eal, err);
}

static int find(const struct lb_eal *eal, int from, const char *arg)
{
	for (int i = from; i < eal->n_args; i++)
		if (strcmp(eal->args[i], arg) == 0)
			return i;
	return -1;
}

Test(eal_boot, arguments_follow_the_request_and_the_machine)
{
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		const struct plan_case *c = &good[i];
		struct lb_eal eal;
		struct lb_error err;
		int at = -1;

		cr_assert_eq(plan(c, &eal, &err), 0, "case %s: %s", c->name, err.what);
		for (uint32_t k = 0; k < ARGS_MAX && c->has[k] != NULL; k++) {
			int next = find(&eal, at + 1, c->has[k]);

			cr_expect(next >= 0, "case %s: %s is missing or too early", c->name,
				  c->has[k]);
			at = next >= 0 ? next : at;
		}
		for (uint32_t k = 0; k < ARGS_MAX && c->hasnt[k] != NULL; k++)
			cr_expect(find(&eal, 0, c->hasnt[k]) < 0, "case %s: %s is there", c->name,
				  c->hasnt[k]);
		cr_expect_null(eal.args[eal.n_args], "case %s", c->name);
		lb_eal_plan_free(&eal);
	}
}

Test(eal_boot, what_cannot_be_is_refused_by_name)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		const struct refused_case *c = &refused[i];
		struct lb_error err = {0};
		struct lb_eal eal;

		cr_expect_eq(plan(&c->plan, &eal, &err), c->code, "case %s", c->plan.name);
		cr_expect_str_eq(err.where, c->where, "case %s", c->plan.name);
		cr_expect(strstr(err.what, c->what) != NULL, "case %s: %s", c->plan.name, err.what);
	}
}

/* As under isolcpus, where the first process does not run on the cores that are kept free. */
Test(eal_boot, cores_that_the_process_is_kept_from_are_found)
{
	struct lb_eal_machine all, one;
	cpu_set_t first, after;

	CPU_ZERO(&first);
	lb_eal_look_at_machine(&all);
	for (uint32_t c = 0; c < CPU_SETSIZE && CPU_COUNT(&first) == 0; c++)
		if (CPU_ISSET(c, &all.cores))
			CPU_SET(c, &first);
	cr_assert_eq(sched_setaffinity(0, sizeof(first), &first), 0);
	lb_eal_look_at_machine(&one);
	cr_expect(CPU_EQUAL(&one.cores, &first));
	cr_expect(CPU_EQUAL(&one.reachable, &all.reachable));
	cr_assert_eq(sched_getaffinity(0, sizeof(after), &after), 0);
	cr_expect(CPU_EQUAL(&after, &first), "it stays where it was");
}

Test(eal_boot, running_without_huge_pages_unasked_is_told)
{
	struct plan_case c = {.n_cores = 2, .workers = {1}, .n_workers = 1, .memory_mib = 50};
	struct lb_eal eal;

	cr_assert_eq(plan(&c, &eal, NULL), 0);
	cr_expect(strstr(eal.notes, "0 MiB of huge pages are free, 50 MiB would be needed") != NULL,
		  "%s", eal.notes);
	lb_eal_plan_free(&eal);
}

Test(eal_boot, too_many_arguments_are_refused)
{
	static const char *args[LB_EAL_USER_ARGS_MAX + 1];
	struct lb_eal_request req = {.program = "x", .user_args = args, .memory_mib = 1};
	struct lb_eal_machine machine = {.pid = 1};
	struct lb_error err = {0};
	struct lb_eal eal;

	CPU_ZERO(&machine.cores);
	CPU_SET(0, &machine.cores);
	for (size_t i = 0; i <= LB_EAL_USER_ARGS_MAX; i++)
		args[i] = "--x";
	req.n_user_args = LB_EAL_USER_ARGS_MAX;
	cr_expect_eq(lb_eal_plan(&req, &machine, &eal, &err), 0);
	lb_eal_plan_free(&eal);
	req.n_user_args++;
	cr_expect_eq(lb_eal_plan(&req, &machine, &eal, &err), -E2BIG);
	cr_expect_str_eq(err.where, "--");
}
