#include "namespace.h"

#include <criterion/criterion.h>

#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define COMMAND_MAX 1024
#define EXIT_SKIPPED 77

int namespace_main(int argc, char **argv, const char *name)
{
	struct criterion_test_set *tests;
	int ok = 1;

	if (geteuid() != 0) {
		printf("%s: skipped: network namespaces need root\n", name);
		return EXIT_SKIPPED;
	}
	tests = criterion_initialize();
	if (criterion_handle_args(argc, argv, true))
		ok = criterion_run_all_tests(tests);
	criterion_finalize(tests);
	return ok ? 0 : 1;
}

static int vrun(const char *fmt, va_list ap, char *command)
{
	int status;

	cr_assert_lt(vsnprintf(command, COMMAND_MAX, fmt, ap), COMMAND_MAX);
	fflush(stdout);
	status = system(command);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void namespace_run(const char *fmt, ...)
{
	char command[COMMAND_MAX];
	va_list ap;
	int status;

	va_start(ap, fmt);
	status = vrun(fmt, ap, command);
	va_end(ap);
	cr_assert_eq(status, 0, "`%s` failed", command);
}

int namespace_try(const char *fmt, ...)
{
	char command[COMMAND_MAX];
	va_list ap;
	int status;

	va_start(ap, fmt);
	status = vrun(fmt, ap, command);
	va_end(ap);
	return status;
}

int namespace_here(void)
{
	int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	cr_assert_geq(fd, 0);
	return fd;
}

void namespace_set(int fd)
{
	cr_assert_eq(setns(fd, CLONE_NEWNET), 0);
}

void namespace_enter(void)
{
	cr_assert_eq(unshare(CLONE_NEWNET), 0);
	namespace_run("ip link set lo up");
	/* Addresses are to be usable at once. (Link-local ones stay: without one the kernel sends
	 * no neighbour solicitation of its own.) */
	namespace_run("echo 0 > /proc/sys/net/ipv6/conf/default/accept_ra && "
		      "echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad");
}

static void settle_device(const char *name)
{
	namespace_run("ip link set %s up", name);
	/* Otherwise TCP leaves with partial checksums. */
	namespace_run("ethtool -K %s tx off gro off gso off tso off > /dev/null", name);
}

int namespace_peer(const char *here, const char *there)
{
	int mine = namespace_here(), peer;

	namespace_enter();
	peer = namespace_here();
	namespace_set(mine);
	/* `ip` takes a process for its namespace: our own, while it looks from the peer's. */
	namespace_run("ip link add %s type veth peer name %s", here, there);
	namespace_run("ip link set %s netns /proc/%d/fd/%d", there, getpid(), peer);
	settle_device(here);
	namespace_set(peer);
	settle_device(there);
	namespace_set(mine);
	close(mine);
	return peer;
}
