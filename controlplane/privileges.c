#include "privileges.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BIT(cap) (UINT64_C(1) << (cap))

/* The configuration file keeps its owner and may belong to another user. */
#define FOR_FILES (BIT(CAP_CHOWN) | BIT(CAP_FOWNER) | BIT(CAP_DAC_OVERRIDE))
#define FOR_RUN (FOR_FILES | BIT(CAP_NET_ADMIN) | BIT(CAP_NET_RAW) | BIT(CAP_BPF))
/* Physical addresses of huge pages, vfio, locked memory, loading programs. */
#define FOR_START                                                                \
	(FOR_RUN | BIT(CAP_SYS_ADMIN) | BIT(CAP_SYS_RAWIO) | BIT(CAP_IPC_LOCK) | \
	 BIT(CAP_PERFMON) | BIT(CAP_SYS_RESOURCE) | BIT(CAP_SYS_NICE) | BIT(CAP_NET_BIND_SERVICE))

static int keep_only(uint64_t kept)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &head, data) < 0)
		return -errno;
	for (int i = 0; i < 2; i++) {
		uint32_t half = (uint32_t)(kept >> (32 * i));

		data[i].effective &= half;
		data[i].permitted &= half;
		data[i].inheritable = 0;
	}
	if (syscall(SYS_capset, &head, data) < 0)
		return -errno;
	return 0;
}

int lb_privileges_for_start(void)
{
	/* Nothing that we start shall gain rights by a set-user-id file. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return keep_only(FOR_START);
}

int lb_privileges_for_run(void)
{
	return keep_only(FOR_RUN);
}
