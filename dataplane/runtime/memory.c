#include "runtime/memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>

#define MIB (UINT64_C(1) << 20)

void *lb_memory_map(size_t bytes)
{
	void *mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (mem == MAP_FAILED)
		return NULL;
	/* Only advice: a kernel without transparent huge pages serves small ones. */
	(void)madvise(mem, bytes, MADV_HUGEPAGE);
	return mem;
}

void lb_memory_unmap(void *mem, size_t bytes)
{
	if (mem != NULL)
		munmap(mem, bytes);
}

uint64_t lb_memory_available(void)
{
	FILE *f = fopen("/proc/meminfo", "re");
	uint64_t kib = 0;
	char line[128];
	int found = 0;

	if (f == NULL)
		return UINT64_MAX;
	while (!found && fgets(line, sizeof(line), f) != NULL)
		found = sscanf(line, "MemAvailable: %" SCNu64 " kB", &kib) == 1;
	fclose(f);
	return found ? kib * 1024 : UINT64_MAX;
}

int lb_memory_check(const char *limit, uint64_t n, uint64_t bytes, uint64_t available,
		    struct lb_error *err)
{
	uint64_t fits;

	if (bytes <= available)
		return 0;
	fits = bytes / n == 0 ? 0 : available / (bytes / n);
	return lb_error_set(err, -ENOMEM, limit,
			    "%" PRIu64 " need %" PRIu64 " MiB and this machine has %" PRIu64
			    " MiB available; about %" PRIu64 " fit",
			    n, bytes / MIB, available / MIB, fits);
}
