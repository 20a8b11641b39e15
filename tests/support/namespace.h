/* namespace.h - network namespaces for a system test, without names and without leftovers.
 *
 * Role     gives a test a network of its own and peers behind veth pairs, and runs commands there
 * Shape    the process moves into a fresh namespace; a peer is a namespace held by a descriptor
 * Units    -
 * Threads  one; a namespace belongs to the thread
 * Memory   descriptors; everything vanishes with the process, so also after a crash
 * Limits   -
 * Errors   a command that fails ends the test with its text
 * Tests    used by tests/system
 */
#ifndef NAMESPACE_H
#define NAMESPACE_H

/* Returns from main() with 77 and a line that says why, when not root. */
int namespace_main(int argc, char **argv, const char *name);

/* Moves into a fresh namespace with `lo` up. */
void namespace_enter(void);

/* Makes a second namespace joined by a veth pair: `here` in the test's, `there` in the peer's;
 * both up, without offloads, without IPv6 autoconfiguration. Returns its descriptor. */
int namespace_peer(const char *here, const char *there);

/* Moves into the namespace of this descriptor, from namespace_here() or namespace_peer(). */
void namespace_set(int fd);
int namespace_here(void);

/* Runs a shell command in the present namespace; it has to succeed. */
__attribute__((format(printf, 1, 2))) void namespace_run(const char *fmt, ...);

/* Runs a shell command, returns its exit status. */
__attribute__((format(printf, 1, 2))) int namespace_try(const char *fmt, ...);

#endif
