/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Findings. Each is written as a line of JSON to the descriptor in KMOD_EVENTS. Stacks are written
 * as addresses of the program, which the command converts to lines. Findings come from the runtime
 * itself, the checker of dmamap, AddressSanitizer, fatal signals, and the watchdog, which detects
 * hangs.
 */
#include "core.h"

#define REPORT_MAX 8192

static unsigned long progress; /* atomic */
static struct host_mutex lock;
static u64 findings;
static atomic_t dying;
static int events = 3;

void kmod_progressed(void)
{
	__atomic_add_fetch(&progress, 1, __ATOMIC_RELAXED);
}

static u64 steps;

void kmod_stepped(void)
{
	__atomic_add_fetch(&steps, 1, __ATOMIC_RELAXED);
}

u64 kmod_progress(void)
{
	return __atomic_load_n(&progress, __ATOMIC_RELAXED);
}

u64 kmod_findings(void)
{
	return __atomic_load_n(&findings, __ATOMIC_RELAXED);
}

void kmod_json_string(char *out, size_t size, const char *in)
{
	size_t n = 0;

	for (; *in && n + 7 < size; in++) {
		u8 c = (u8)*in;

		if (c == '"' || c == '\\')
			out[n++] = '\\';
		if (c >= 32)
			out[n++] = (char)c;
		else
			n += (size_t)snprintf(out + n, size - n, "\\u%04x", c);
	}
	out[n] = 0;
}

static void event_write(const char *text, size_t n)
{
	host_lock(&lock);
	host_write(events, text, n);
	host_unlock(&lock);
}

void kmod_event(const char *fmt, ...)
{
	char line[2048];
	va_list args;
	int n;

	line[0] = '{';
	va_start(args, fmt);
	n = 1 + vsnprintf(line + 1, sizeof(line) - 3, fmt, args);
	va_end(args);
	n = min(n, (int)sizeof(line) - 3);
	line[n++] = '}';
	line[n++] = '\n';
	event_write(line, (size_t)n);
}

void kmod_stack_take(struct kmod_stack *s)
{
	s->n = host_backtrace(s->pc, KMOD_STACK_MAX);
}

static size_t event_stack(char *out, size_t size, const char *name, const struct kmod_stack *s)
{
	size_t n = (size_t)scnprintf(out, size, ",\"%s\":[", name);

	for (unsigned int i = 0; s && i < s->n; i++)
		n += (size_t)scnprintf(out + n, size - n, "%s%lu", i ? "," : "", s->pc[i]);
	return n + (size_t)scnprintf(out + n, size - n, "]");
}

void kmod_finding_at(const char *kind, const struct kmod_stack *stack,
		     const struct kmod_stack *other, const char *label, const char *text)
{
	char line[REPORT_MAX], quoted[REPORT_MAX / 4];
	size_t n;

	kmod_json_string(quoted, sizeof(quoted), text);
	n = (size_t)scnprintf(line, sizeof(line),
			      "{\"finding\":\"%s\",\"text\":\"%s\",\"label\":\"%s\"", kind, quoted,
			      other && other->n ? label : "");
	n += event_stack(line + n, sizeof(line) - n - 3, "stack", stack);
	n += event_stack(line + n, sizeof(line) - n - 3, "other", other);
	n += (size_t)scnprintf(line + n, sizeof(line) - n, "}\n");
	__atomic_add_fetch(&findings, 1, __ATOMIC_RELAXED);
	event_write(line, n);
}

static void finding_args(const char *kind, const struct kmod_stack *other, const char *label,
			 const char *fmt, va_list args)
{
	struct kmod_stack stack;
	char text[1024];

	kmod_stack_take(&stack);
	vsnprintf(text, sizeof(text), fmt, args);
	kmod_finding_at(kind, &stack, other, label, text);
}

void kmod_finding_with(const char *kind, const struct kmod_stack *other, const char *label,
		       const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	finding_args(kind, other, label, fmt, args);
	va_end(args);
}

void kmod_finding_of(unsigned long fn, const char *kind, const struct kmod_stack *other,
		     const char *label, const char *fmt, ...)
{
	/* plus 1, like a return address, which is behind the call */
	struct kmod_stack stack = {.n = 1, .pc = {fn + 1}};
	char text[1024];
	va_list args;

	if (!fn)
		kmod_stack_take(&stack);
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	kmod_finding_at(kind, &stack, other, label, text);
}

void kmod_finding(const char *kind, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	finding_args(kind, NULL, NULL, fmt, args);
	va_end(args);
}

void kmod_die(const char *why)
{
	if (atomic_fetch_add(1, &dying)) /* another thread is already ending the run */
		host_sleep(~0ul >> 1);
	kmod_ledger_report();
	kmod_event("\"end\":\"%s\",\"findings\":%llu", why, kmod_findings());
	host_exit(1);
}

void kmod_oops(const char *kind, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	finding_args(kind, NULL, NULL, fmt, args);
	va_end(args);
	kmod_die("oops");
}

static void finding_fatal(int signal, unsigned long addr, const unsigned long *pc, unsigned int n)
{
	struct kmod_stack stack = {.n = min(n, (unsigned int)KMOD_STACK_MAX)}, allocated, freed;
	char text[256], near[128] = "";
	/* a non-canonical pointer, for which the processor reports no address */
	bool cookie = addr == 0 || addr >> 47;

	memcpy(stack.pc, pc, stack.n * sizeof(pc[0]));
	if (!kmod_ledger_describe((void *)addr, near, sizeof(near), &allocated, &freed))
		near[0] = 0;
	snprintf(text, sizeof(text), "the driver %s (signal %d at address %#lx)%s%s%s",
		 signal == 8   ? "divided by zero"
		 : addr < 4096 ? "used a null pointer"
			       : "used a bad pointer",
		 signal, addr,
		 cookie && addr >= 4096 ? ", perhaps a register cookie without readl()" : "",
		 near[0] ? ": " : "", near);
	kmod_finding_at("oops", &stack, freed.n ? &freed : &allocated,
			freed.n ? "freed here" : "allocated here", text);
	kmod_die("oops");
}

/* AddressSanitizer. */
extern unsigned long __asan_get_report_pc(void) __attribute__((weak));
extern unsigned long __asan_get_report_bp(void) __attribute__((weak));
extern unsigned long __asan_get_report_address(void) __attribute__((weak));
extern int __asan_get_report_access_type(void) __attribute__((weak));
extern size_t __asan_get_report_access_size(void) __attribute__((weak));
extern const char *__asan_get_report_description(void) __attribute__((weak));
extern size_t __asan_get_alloc_stack(void *addr, void **trace, size_t size, int *thread)
	__attribute__((weak));
extern size_t __asan_get_free_stack(void *addr, void **trace, size_t size, int *thread)
	__attribute__((weak));
extern void __sanitizer_set_death_callback(void (*fn)(void)) __attribute__((weak));
void __asan_on_error(void);

static void finding_death(void)
{
	kmod_die("asan");
}

void __asan_on_error(void)
{
	struct kmod_stack stack = {.n = 1}, allocated = {.n = 0}, freed = {.n = 0};
	void *addr = (void *)__asan_get_report_address();
	const char *kind = __asan_get_report_description();
	char text[256], near[128] = "";
	int thread;

	stack.pc[0] = __asan_get_report_pc();
	stack.n += host_backtrace_from(__asan_get_report_bp(), stack.pc + 1, KMOD_STACK_MAX - 1);
	if (!kmod_ledger_describe(addr, near, sizeof(near), &allocated, &freed)) {
		near[0] = 0;
		allocated.n = (unsigned int)__asan_get_alloc_stack(addr, (void **)allocated.pc,
								   KMOD_STACK_MAX, &thread);
		freed.n = (unsigned int)__asan_get_free_stack(addr, (void **)freed.pc,
							      KMOD_STACK_MAX, &thread);
	}
	if (!strcmp(kind, "use-after-poison"))
		kind = freed.n ? "use-after-free" : "heap-buffer-overflow";
	else if (!strcmp(kind, "heap-use-after-free"))
		kind = "use-after-free";
	snprintf(text, sizeof(text), "a %s of %zu bytes%s%s",
		 __asan_get_report_access_type() ? "write" : "read",
		 __asan_get_report_access_size(), near[0] ? ", " : "", near);
	kmod_finding_at(kind, &stack, freed.n ? &freed : &allocated,
			freed.n ? "freed here" : "allocated here", text);
}

/* The watchdog reports a hang after a period without progress. */
static unsigned int watchdog_seconds;

static void watchdog_stack(const char *name, const unsigned long *pc, unsigned int n)
{
	struct kmod_stack stack = {.n = min(n, (unsigned int)KMOD_STACK_MAX)};
	char text[96];

	memcpy(stack.pc, pc, stack.n * sizeof(pc[0]));
	snprintf(text, sizeof(text), "no progress for %u seconds: thread %s", watchdog_seconds,
		 name);
	kmod_finding_at("hang", &stack, NULL, NULL, text);
}

#define WATCHDOG_STEPS 20000 /* this many of them without progress are an endless loop */

static void watchdog_main(void *arg)
{
	u64 since = host_now(), seen = 0, step = 0, first = 0;

	for (;;) {
		u64 now = kmod_progress(), taken = __atomic_load_n(&steps, __ATOMIC_RELAXED);

		host_sleep(50000000);
		if (now != seen || (taken != step && taken - first < WATCHDOG_STEPS)) {
			first = now != seen ? taken : first;
			seen = now;
			step = taken;
			since = host_now();
		} else if (host_now() - since > watchdog_seconds * NSEC_PER_SEC) {
			host_all_stacks(watchdog_stack);
			kmod_die("hang");
		}
	}
}

void kmod_watchdog_start(unsigned int seconds)
{
	const char *fd = host_getenv("KMOD_EVENTS");
	int value;

	if (fd && !kstrtoint(fd, 10, &value))
		events = value;
	watchdog_seconds = seconds;
	host_signals();
	host_on_fatal(finding_fatal);
	if (__sanitizer_set_death_callback)
		__sanitizer_set_death_callback(finding_death);
	host_thread_start(watchdog_main, NULL, "watchdog");
}

/* A report of dmamap's checker, whose text is already quoted. */
void kmod_checker_report(const char *kind, const char *quoted_text, const struct kmod_stack *here);
void kmod_checker_report(const char *kind, const char *quoted_text, const struct kmod_stack *here)
{
	char line[REPORT_MAX];
	size_t n;

	n = (size_t)scnprintf(line, sizeof(line), "{\"finding\":\"%s\",\"checker\":\"%s\"", kind,
			      quoted_text);
	n += event_stack(line + n, sizeof(line) - n - 3, "stack", here);
	n += (size_t)scnprintf(line + n, sizeof(line) - n, "}\n");
	__atomic_add_fetch(&findings, 1, __ATOMIC_RELAXED);
	event_write(line, n);
}
