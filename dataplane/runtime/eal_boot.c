#include "runtime/eal_boot.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>

#define MIB (UINT64_C(1) << 20)
#define HUGEPAGES_DIR "/sys/kernel/mm/hugepages"
#define NO_HUGE_MIN_MIB 64u   /* EAL's own default without huge pages */
#define LCORES_TEXT_MAX 16384 /* CPU_SETSIZE numbers and LB_WORKERS_MAX pairs fit */

static uint64_t free_hugepages_of(const char *size_dir)
{
	char path[256];
	uint64_t n = 0;
	FILE *f;

	snprintf(path, sizeof(path), HUGEPAGES_DIR "/%s/free_hugepages", size_dir);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	if (fscanf(f, "%" SCNu64, &n) != 1)
		n = 0;
	fclose(f);
	return n;
}

static uint64_t free_hugepage_bytes(void)
{
	DIR *dir = opendir(HUGEPAGES_DIR);
	uint64_t bytes = 0, kib;
	struct dirent *entry;

	if (dir == NULL)
		return 0;
	while ((entry = readdir(dir)) != NULL)
		if (sscanf(entry->d_name, "hugepages-%" SCNu64 "kB", &kib) == 1)
			bytes += free_hugepages_of(entry->d_name) * kib * 1024;
	closedir(dir);
	return bytes;
}

/* The kernel takes from a wish for every core what it does not allow. */
static void find_reachable(struct lb_eal_machine *out)
{
	cpu_set_t all;

	memset(&all, 0xff, sizeof(all));
	out->reachable = out->cores;
	if (sched_setaffinity(0, sizeof(all), &all) != 0)
		return;
	(void)sched_getaffinity(0, sizeof(out->reachable), &out->reachable);
	(void)sched_setaffinity(0, sizeof(out->cores), &out->cores);
}

void lb_eal_look_at_machine(struct lb_eal_machine *out)
{
	if (sched_getaffinity(0, sizeof(out->cores), &out->cores) != 0) {
		CPU_ZERO(&out->cores);
		CPU_SET(0, &out->cores);
	}
	find_reachable(out);
	out->hugepage_bytes = free_hugepage_bytes();
	out->pid = (uint32_t)getpid();
}

/* Short options may carry their value ("-m64"), long ones may after "=". */
static bool is_option(const char *arg, const char *option)
{
	size_t n = strlen(option);

	if (strncmp(arg, option, n) != 0)
		return false;
	return option[1] != '-' || arg[n] == '\0' || arg[n] == '=';
}

static bool user_gave(const struct lb_eal_request *req, const char *const *options)
{
	for (size_t i = 0; i < req->n_user_args; i++)
		for (const char *const *o = options; *o != NULL; o++)
			if (is_option(req->user_args[i], *o))
				return true;
	return false;
}

/* LB_EAL_ARGS_MAX has room for all that we add and a NULL behind it. */
__attribute__((format(printf, 2, 3))) static void add_arg(struct lb_eal *eal, const char *fmt, ...)
{
	va_list ap;
	char *text;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0) {
		eal->is_out_of_memory = true;
		return;
	}
	assert(eal->n_args < (int)LB_EAL_ARGS_MAX - 1);
	eal->args[eal->n_args++] = text;
}

__attribute__((format(printf, 2, 3))) static void add_note(struct lb_eal *eal, const char *fmt, ...)
{
	size_t n = strlen(eal->notes);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(eal->notes + n, sizeof(eal->notes) - n, fmt, ap);
	va_end(ap);
}

static void list_cores(const cpu_set_t *cores, char *text, size_t size)
{
	size_t n = 0;

	text[0] = '\0';
	for (uint32_t c = 0; c < CPU_SETSIZE; c++)
		if (CPU_ISSET(c, cores) && n < size)
			n += (size_t)snprintf(text + n, size - n, "%s%u", n == 0 ? "" : ",", c);
}

static int take_named_cores(const struct lb_eal_request *req, const struct lb_eal_machine *machine,
			    struct lb_eal *eal, struct lb_error *err)
{
	cpu_set_t taken;
	char text[128];

	CPU_ZERO(&taken);
	if (req->n_worker_cores > LB_WORKERS_MAX)
		return lb_error_set(err, -EINVAL, "/node/workers",
				    "%zu cores are named, at most %u workers are served",
				    req->n_worker_cores, LB_WORKERS_MAX);
	for (size_t i = 0; i < req->n_worker_cores; i++) {
		uint32_t core = req->worker_cores[i];

		list_cores(&machine->reachable, text, sizeof(text));
		if (core >= CPU_SETSIZE || !CPU_ISSET(core, &machine->reachable))
			return lb_error_set(err, -EINVAL, "/node/workers",
					    "core %u is not one of those that this process may "
					    "use: %s",
					    core, text);
		if (CPU_ISSET(core, &taken))
			return lb_error_set(err, -EINVAL, "/node/workers",
					    "core %u is named twice; each worker has its own",
					    core);
		CPU_SET(core, &taken);
		eal->cores[eal->n_workers++] = core;
	}
	return 0;
}

/* The lowest core is left to the control thread unless it is the only one. */
static void take_all_cores_but_one(const struct lb_eal_machine *machine, struct lb_eal *eal)
{
	bool is_first = CPU_COUNT(&machine->cores) > 1;

	for (uint32_t c = 0; c < CPU_SETSIZE && eal->n_workers < LB_WORKERS_MAX; c++) {
		if (!CPU_ISSET(c, &machine->cores))
			continue;
		if (!is_first)
			eal->cores[eal->n_workers++] = c;
		is_first = false;
	}
}

/* Main lcore on whatever the workers leave; on their cores too when they leave nothing. */
static void add_lcores(struct lb_eal *eal, const struct lb_eal_machine *machine)
{
	cpu_set_t control = machine->cores;
	char text[LCORES_TEXT_MAX], cores[LCORES_TEXT_MAX / 2];
	size_t n;

	for (uint32_t w = 0; w < eal->n_workers; w++)
		CPU_CLR(eal->cores[w], &control);
	if (CPU_COUNT(&control) == 0) {
		control = machine->cores;
		add_note(eal, "no core is left for the control thread: it shares the workers'\n");
	}
	list_cores(&control, cores, sizeof(cores));
	n = (size_t)snprintf(text, sizeof(text), "0@(%s)", cores);
	for (uint32_t w = 0; w < eal->n_workers && n < sizeof(text); w++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, ",%u@%u", w + 1, eal->cores[w]);
	add_arg(eal, "--lcores=%s", text);
}

static void add_no_huge(const struct lb_eal_request *req, struct lb_eal *eal, bool is_users)
{
	static const char *const size[] = {"-m", "--socket-mem", NULL};
	static const char *const shconf[] = {"--no-shconf", NULL};
	uint32_t mib = req->memory_mib > NO_HUGE_MIN_MIB ? req->memory_mib : NO_HUGE_MIN_MIB;

	eal->is_no_huge = true;
	if (!is_users)
		add_arg(eal, "--no-huge");
	/* No secondary process is served, so nothing has to be shared by files. */
	if (!user_gave(req, shconf))
		add_arg(eal, "--no-shconf");
	if (!user_gave(req, size)) {
		add_arg(eal, "-m");
		add_arg(eal, "%u", mib);
	}
}

static int add_memory(const struct lb_eal_request *req, const struct lb_eal_machine *machine,
		      struct lb_eal *eal, struct lb_error *err)
{
	static const char *const no_huge[] = {"--no-huge", NULL};
	static const char *const huge[] = {"--in-memory",
					   "--huge-dir",
					   "--huge-unlink",
					   "--legacy-mem",
					   "--single-file-segments",
					   "--socket-mem",
					   "--socket-limit",
					   NULL};

	if (user_gave(req, no_huge)) {
		add_no_huge(req, eal, true);
		return 0;
	}
	if (user_gave(req, huge))
		return 0;
	if (machine->hugepage_bytes >= req->memory_mib * MIB) {
		add_arg(eal, "--in-memory");
		return 0;
	}
	if (req->n_pci > 0)
		return lb_error_set(
			err, -ENOMEM, "hugepages",
			"%" PRIu64 " MiB of huge pages are free and %u MiB are needed: write "
			"%u to " HUGEPAGES_DIR "/hugepages-2048kB/nr_hugepages, or pass "
			"--no-huge after -- (slower)",
			machine->hugepage_bytes / MIB, req->memory_mib, (req->memory_mib + 1) / 2);
	add_note(eal,
		 "%" PRIu64 " MiB of huge pages are free, %u MiB would be needed: running without "
		 "them\n",
		 machine->hugepage_bytes / MIB, req->memory_mib);
	add_no_huge(req, eal, false);
	return 0;
}

static int add_devices(const struct lb_eal_request *req, struct lb_eal *eal, struct lb_error *err)
{
	static const char *const no_pci[] = {"--no-pci", NULL};
	static const char *const lists[] = {"-a", "--allow", "-b", "--block", "--no-pci", NULL};

	if (req->n_pci > 0 && user_gave(req, no_pci))
		return lb_error_set(err, -EINVAL, "--no-pci",
				    "an interface names the PCI device %s: leave --no-pci away",
				    req->pci[0]);
	if (user_gave(req, lists))
		return 0;
	/* Only what the configuration names is touched. */
	if (req->n_pci == 0)
		add_arg(eal, "--no-pci");
	for (size_t i = 0; i < req->n_pci; i++) {
		add_arg(eal, "-a");
		add_arg(eal, "%s", req->pci[i]);
	}
	return 0;
}

static int check_user_args(const struct lb_eal_request *req, struct lb_error *err)
{
	static const char *const cores[] = {"-c",       "-l",           "-s", "-S",
					    "--lcores", "--main-lcore", NULL};

	if (req->n_user_args > LB_EAL_USER_ARGS_MAX)
		return lb_error_set(err, -E2BIG, "--", "more than %u arguments for EAL",
				    LB_EAL_USER_ARGS_MAX);
	for (size_t i = 0; i < req->n_user_args; i++)
		for (const char *const *o = cores; *o != NULL; o++)
			if (is_option(req->user_args[i], *o))
				return lb_error_set(err, -EINVAL, req->user_args[i],
						    "cores are named in the configuration under "
						    "/node/workers, not in EAL's arguments");
	return 0;
}

static int add_all(const struct lb_eal_request *req, const struct lb_eal_machine *machine,
		   struct lb_eal *eal, struct lb_error *err)
{
	static const char *const prefix[] = {"--file-prefix", NULL};
	int rc;

	add_arg(eal, "%s", req->program);
	add_lcores(eal, machine);
	if (!user_gave(req, prefix))
		add_arg(eal, "--file-prefix=ballast-%u", machine->pid);
	/* EAL's progress is nobody's business, its complaints are. Telemetry opens a socket. */
	add_arg(eal, "--log-level=warning");
	add_arg(eal, "--no-telemetry");
	rc = add_memory(req, machine, eal, err);
	if (rc == 0)
		rc = add_devices(req, eal, err);
	for (size_t i = 0; i < req->n_user_args; i++)
		add_arg(eal, "%s", req->user_args[i]);
	return rc;
}

int lb_eal_plan(const struct lb_eal_request *req, const struct lb_eal_machine *machine,
		struct lb_eal *out, struct lb_error *err)
{
	int rc;

	memset(out, 0, sizeof(*out));
	rc = check_user_args(req, err);
	if (rc != 0)
		return rc;
	if (req->n_worker_cores > 0)
		rc = take_named_cores(req, machine, out, err);
	else
		take_all_cores_but_one(machine, out);
	if (rc == 0)
		rc = add_all(req, machine, out, err);
	if (rc == 0 && out->is_out_of_memory)
		rc = lb_error_set(err, -ENOMEM, "--", "no memory for the arguments of EAL");
	if (rc != 0)
		lb_eal_plan_free(out);
	return rc;
}

void lb_eal_plan_free(struct lb_eal *eal)
{
	for (int i = 0; i < eal->n_args; i++)
		free(eal->args[i]);
	eal->n_args = 0;
}

/* EAL makes a folder per prefix and leaves it. Without shared files it stays empty: gone at once,
 * so that a killed process leaves nothing either. One with files in it stays. */
static void remove_runtime_dir(void)
{
	char path[256], *slash;

	snprintf(path, sizeof(path), "%s", rte_eal_get_runtime_dir());
	slash = strrchr(path, '/');
	if (slash == NULL || rmdir(path) != 0)
		return;
	*slash = '\0';
	(void)rmdir(path);
}

int lb_eal_start(struct lb_eal *eal, struct lb_error *err)
{
	memcpy(eal->argv, eal->args, sizeof(eal->argv));
	if (rte_eal_init(eal->n_args, eal->argv) < 0)
		return lb_error_set(err, -EIO, "EAL",
				    "DPDK did not start (%s); what it wrote above says why",
				    rte_strerror(rte_errno));
	remove_runtime_dir();
	return 0;
}

void lb_eal_end(struct lb_eal *eal)
{
	rte_eal_cleanup();
	remove_runtime_dir();
	lb_eal_plan_free(eal);
}
