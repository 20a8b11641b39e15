#include "log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MODULES_MAX 16
#define MODULE_NAME_MAX 24

static _Atomic int default_level = LB_LOG_INFO;
static struct {
	char name[MODULE_NAME_MAX];
	_Atomic int level;
} modules[MODULES_MAX];
static _Atomic int n_modules;

static int level_of(const char *module)
{
	int n = atomic_load_explicit(&n_modules, memory_order_acquire);

	for (int i = 0; i < n; i++)
		if (strcmp(modules[i].name, module) == 0)
			return atomic_load_explicit(&modules[i].level, memory_order_relaxed);
	return atomic_load_explicit(&default_level, memory_order_relaxed);
}

void lb_log_set_level(const char *module, enum lb_log_level level)
{
	int n = atomic_load_explicit(&n_modules, memory_order_acquire);

	if (module == NULL) {
		atomic_store_explicit(&default_level, level, memory_order_relaxed);
		return;
	}
	for (int i = 0; i < n; i++)
		if (strcmp(modules[i].name, module) == 0) {
			atomic_store_explicit(&modules[i].level, level, memory_order_relaxed);
			return;
		}
	if (n == MODULES_MAX)
		return;
	snprintf(modules[n].name, sizeof(modules[n].name), "%s", module);
	atomic_store_explicit(&modules[n].level, level, memory_order_relaxed);
	atomic_store_explicit(&n_modules, n + 1, memory_order_release);
}

void lb_log(enum lb_log_level level, const char *module, const char *fmt, ...)
{
	static const char *const words[] = {"error", "warning", "info", "debug"};
	char line[LB_LOG_LINE_MAX];
	struct timespec now;
	struct tm tm;
	va_list ap;
	int n, m;

	if ((int)level > level_of(module))
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	n = snprintf(line, sizeof(line),
		     "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ %s %s: ", tm.tm_year + 1900,
		     tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		     now.tv_nsec / 1000000, words[level], module);
	va_start(ap, fmt);
	m = vsnprintf(line + n, sizeof(line) - (size_t)n - 1, fmt, ap);
	va_end(ap);
	if (m < 0)
		return;
	n += m;
	if ((size_t)n > sizeof(line) - 2)
		n = (int)sizeof(line) - 2;
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		return; /* nobody reads the log any more; nothing else to tell them with */
}
