#include "privileges.h"

#include <criterion/criterion.h>
#include <linux/capability.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static uint64_t permitted(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	cr_assert(syscall(SYS_capget, &head, data) == 0);
	return data[0].permitted | (uint64_t)data[1].permitted << 32;
}

static bool has(int cap)
{
	return (permitted() >> cap & 1) != 0;
}

Test(privileges, each_step_keeps_less_and_nothing_comes_back)
{
	uint64_t at_first = permitted(), for_start;

	cr_assert(lb_privileges_for_start() == 0);
	for_start = permitted();
	cr_expect((for_start & ~at_first) == 0);
	cr_expect(!has(CAP_SYS_MODULE) && !has(CAP_SETUID) && !has(CAP_SYS_PTRACE));
	cr_expect(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	cr_assert(lb_privileges_for_run() == 0);
	cr_expect((permitted() & ~for_start) == 0);
	cr_expect(!has(CAP_SYS_ADMIN) && !has(CAP_IPC_LOCK) && !has(CAP_SYS_RAWIO));
	if ((at_first >> CAP_NET_ADMIN & 1) != 0)
		cr_expect(has(CAP_NET_ADMIN), "addresses still have to be kept");
	cr_assert(lb_privileges_for_start() == 0);
	cr_expect(!has(CAP_SYS_ADMIN), "what is gone is gone");
}
