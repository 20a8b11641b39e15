/* log.h - one line per event on standard error, for people and for grep.
 *
 * Role     the control plane's log; the packet path has none
 * Shape    `TIME LEVEL module: event key=value ...`
 * Threads  any control thread; one line is one write
 * Memory   a line of at most LB_LOG_LINE_MAX bytes, longer ones are cut
 * Limits   levels per module, changed at run time
 * Errors   none
 * Tests    tests/unit/test_log.c
 */
#ifndef LB_LOG_H
#define LB_LOG_H

#define LB_LOG_LINE_MAX 1024

enum lb_log_level { LB_LOG_ERROR, LB_LOG_WARNING, LB_LOG_INFO, LB_LOG_DEBUG };

/* `module` is a short constant word ("health"). The text carries key=value pairs. */
__attribute__((format(printf, 3, 4))) void lb_log(enum lb_log_level level, const char *module,
						  const char *fmt, ...);

/* NULL module: all of them. */
void lb_log_set_level(const char *module, enum lb_log_level level);

#endif
