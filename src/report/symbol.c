/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Functions, files and lines of addresses. If the library was built with elfutils' libdw, it reads
 * the debug information of the program's files; otherwise it uses the dynamic linker's names. An
 * address may be in several functions, each inlined into the next. The innermost comes first, so
 * the driver's line is shown also if the call is in an inline function of a header. One thread at a
 * time reads debug information; it holds no other lock of the library.
 */
#include "report/stack.h"

#include <dlfcn.h>
#include <errno.h>
#include <fnmatch.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FRAMES_MAX 4	/* per address; of deeper inlining the innermost are recorded */
#define CACHED	   4096 /* entries, by the top 12 bits of a hash, and a few behind them */
#define CACHE_WAYS 8

struct symbol_frame {
	char function[128], line[200]; /* "": unknown */
};

struct symbol_place {
	uintptr_t at;
	u32 n;
	struct symbol_frame frame[FRAMES_MAX];
};

static pthread_mutex_t mine_lock = PTHREAD_MUTEX_INITIALIZER;
static char mine[200]; /* path and line of this file; under mine_lock until `known` is set */
static u32 known;      /* atomic */

#ifdef HAVE_LIBDW

#include <dwarf.h>
#include <elfutils/libdwfl.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Dwfl *dwfl; /* under lock; NULL: there is no session */
static struct symbol_place
	cache[CACHED + CACHE_WAYS]; /* under lock; unused entries use no memory */
static u32 replaced;		    /* under lock */

static char *debuginfo_path;
static const Dwfl_Callbacks callbacks = {
	.find_elf = dwfl_linux_proc_find_elf,
	.find_debuginfo = dwfl_build_id_find_debuginfo, /* searches this machine only */
	.debuginfo_path = &debuginfo_path,
};

/* Reads the list of modules of the process. Under lock. */
static void symbol_session_begin(void)
{
	if (dwfl)
		dwfl_end(dwfl);
	dwfl = dwfl_begin(&callbacks);
	if (!dwfl)
		return;
	if (dwfl_linux_proc_report(dwfl, getpid()) || dwfl_report_end(dwfl, NULL, NULL)) {
		dwfl_end(dwfl);
		dwfl = NULL;
	}
}

__attribute__((destructor)) static void symbol_session_end(void)
{
	pthread_mutex_lock(&lock);
	if (dwfl)
		dwfl_end(dwfl);
	dwfl = NULL;
	pthread_mutex_unlock(&lock);
}

/* Under lock. */
static Dwfl_Module *symbol_dwfl_module(uintptr_t at)
{
	Dwfl_Module *m = dwfl ? dwfl_addrmodule(dwfl, at) : NULL;

	if (!m) {
		/* this is the first report, or a module was loaded after the list was read */
		symbol_session_begin();
		m = dwfl ? dwfl_addrmodule(dwfl, at) : NULL;
	}
	return m;
}

/*
 * Finds the compilation unit and makes `at` an address relative to it. gcc writes an index of
 * addresses, clang does not.
 */
static Dwarf_Die *symbol_unit_of(Dwfl_Module *m, Dwarf_Addr *at)
{
	Dwarf_Addr bias;
	Dwarf_Die *unit = dwfl_module_addrdie(m, *at, &bias);

	if (!unit)
		while ((unit = dwfl_module_nextcu(m, unit, &bias)) &&
		       dwarf_haspc(unit, *at - bias) <= 0)
			;
	if (unit)
		*at -= bias;
	return unit;
}

static void symbol_set_line(struct symbol_frame *f, const char *file, int number)
{
	if (file)
		snprintf(f->line, sizeof(f->line), "%s:%d", file, number);
}

static void symbol_set_function(struct symbol_frame *f, Dwarf_Die *die)
{
	const char *name = dwarf_diename(die);

	if (name)
		snprintf(f->function, sizeof(f->function), "%s", name);
}

/* Sets the line on which an inlined function was called, which belongs to the next frame. */
static void symbol_set_call(struct symbol_frame *f, Dwarf_Die *unit, Dwarf_Die *inlined)
{
	Dwarf_Word file = 0, line = 0;
	Dwarf_Attribute a;
	Dwarf_Files *files;
	size_t n;

	if (dwarf_formudata(dwarf_attr(inlined, DW_AT_call_file, &a), &file) ||
	    dwarf_formudata(dwarf_attr(inlined, DW_AT_call_line, &a), &line) ||
	    dwarf_getsrcfiles(unit, &files, &n) || file >= n)
		return;
	symbol_set_line(f, dwarf_filesrc(files, file, NULL, NULL), (int)line);
}

/* Adds the functions that contain the address, from the innermost on. */
static void symbol_add_functions(struct symbol_place *p, Dwarf_Die *unit, Dwarf_Addr at)
{
	Dwarf_Die *scopes = NULL, *around = NULL;
	int n = dwarf_getscopes(unit, at, &scopes);

	/*
	 * these scopes are where an inlined function was written; find those where it was inlined
	 */
	n = n > 0 ? dwarf_getscopes_die(&scopes[0], &around) : 0;
	for (int i = 0; i < n; i++) {
		int tag = dwarf_tag(&around[i]);

		if (tag != DW_TAG_inlined_subroutine && tag != DW_TAG_subprogram)
			continue;
		symbol_set_function(&p->frame[p->n - 1], &around[i]);
		if (tag == DW_TAG_subprogram || p->n == FRAMES_MAX)
			break;
		symbol_set_call(&p->frame[p->n++], unit, &around[i]);
	}
	free(around);
	free(scopes);
}

/* Under lock. */
static void symbol_look_up_slow(struct symbol_place *p, uintptr_t at)
{
	Dwfl_Module *m = symbol_dwfl_module(at);
	const char *name = m ? dwfl_module_addrname(m, at) : NULL;
	Dwarf_Addr addr = at;
	Dwarf_Die *unit = m ? symbol_unit_of(m, &addr) : NULL;
	Dwarf_Line *line = unit ? dwarf_getsrc_die(unit, addr) : NULL;
	int number = 0;

	*p = (struct symbol_place){.at = at, .n = 1};
	if (line && !dwarf_lineno(line, &number))
		symbol_set_line(&p->frame[0], dwarf_linesrc(line, NULL, NULL), number);
	if (unit)
		symbol_add_functions(p, unit, addr);
	/* the symbol table also has functions without debug information, and other names */
	if (name && (p->n == 1 || !p->frame[p->n - 1].function[0]))
		snprintf(p->frame[p->n - 1].function, sizeof(p->frame[0].function), "%s", name);
}

/* Uses a cache, because a look-up takes milliseconds in a large program. */
static void symbol_look_up_debug(uintptr_t at, struct symbol_place *out)
{
	struct symbol_place *set = &cache[at * 0x9e3779b97f4a7c15ull >> 52], *p = NULL;

	pthread_mutex_lock(&lock);
	for (u32 i = 0; i < CACHE_WAYS && !p; i++)
		if (set[i].at == at || !set[i].at)
			p = &set[i];
	if (!p)
		p = &set[replaced++ % CACHE_WAYS];
	if (p->at != at)
		symbol_look_up_slow(p, at);
	*out = *p;
	pthread_mutex_unlock(&lock);
}

#endif

static _Thread_local bool only_names;

void symbol_only_names(bool on)
{
	only_names = on;
}

static void symbol_look_up_names(uintptr_t at, struct symbol_place *out)
{
	Dl_info info;

	*out = (struct symbol_place){.at = at, .n = 1};
	if (dladdr((void *)at, &info) && info.dli_sname)
		snprintf(out->frame[0].function, sizeof(out->frame[0].function), "%s",
			 info.dli_sname);
}

static void symbol_look_up(uintptr_t at, struct symbol_place *out)
{
#ifdef HAVE_LIBDW
	if (!only_names) {
		symbol_look_up_debug(at, out);
		return;
	}
#endif
	symbol_look_up_names(at, out);
}

/*
 * The shared object or program that contains an address. dl_iterate_phdr() finds it, which acquires
 * no lock that is held while a constructor runs.
 */
struct symbol_module {
	uintptr_t at;	      /* the address */
	uintptr_t base;	      /* its load address */
	uintptr_t start, end; /* end 0: no object contains the address */
	bool is_program;
	char name[200];
};

static int symbol_look_at_module(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct symbol_module *m = arg;
	uintptr_t start = UINTPTR_MAX, end = 0;

	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uintptr_t from = info->dlpi_addr + p->p_vaddr;

		if (p->p_type != PT_LOAD)
			continue;
		start = from < start ? from : start;
		end = from + p->p_memsz > end ? from + p->p_memsz : end;
	}
	if (m->at < start || m->at >= end)
		return 0;
	m->base = info->dlpi_addr;
	m->start = start;
	m->end = end;
	/* the main program has an empty name in the list */
	m->is_program = !info->dlpi_name || !info->dlpi_name[0];
	snprintf(m->name, sizeof(m->name), "%s",
		 m->is_program ? program_invocation_name : info->dlpi_name);
	return 1;
}

static struct symbol_module symbol_module_at(uintptr_t at)
{
	struct symbol_module m = {.at = at};

	dl_iterate_phdr(symbol_look_at_module, &m);
	return m;
}

static struct symbol_module my_module_found; /* set once */

static void symbol_find_my_module(void)
{
	my_module_found = symbol_module_at((uintptr_t)symbol_is_ours);
}

/* Returns the object into which this file was linked. */
static const struct symbol_module *symbol_my_module(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, symbol_find_my_module);
	return &my_module_found;
}

/*
 * Returns the length of the path of the library's sources, including "src/", or 0 if it is unknown.
 */
static size_t symbol_source_length(const char *line)
{
	const char *p = strstr(line, "src/report/symbol.c");

	return p ? (size_t)(p - line) + 4 : 0;
}

static void symbol_find_mine(void)
{
	struct symbol_place p;

	symbol_look_up((uintptr_t)symbol_is_ours, &p);
	pthread_mutex_lock(&mine_lock);
	if (!known)
		memcpy(mine, p.frame[p.n - 1].line, sizeof(mine));
	write_release(&known, 1);
	pthread_mutex_unlock(&mine_lock);
}

/*
 * A shared library is recognised by its load address, also if it was stripped. In a program that
 * links the library statically, a frame is the library's if its outermost function has a source
 * file in the same folder as this one; without line information, the function's name decides. A
 * function of a driver whose name begins with dma_ is therefore omitted only if there is no line
 * information.
 */
bool symbol_is_ours(uintptr_t ip)
{
	const struct symbol_module *m = symbol_my_module();
	const struct symbol_frame *f;
	struct symbol_place p;

	if (!m->is_program)
		return ip - 1 >= m->start && ip - 1 < m->end;
	if (!read_acquire(&known))
		symbol_find_mine();
	symbol_look_up(ip - 1, &p);
	f = &p.frame[p.n - 1];
	if (symbol_source_length(mine) && f->line[0])
		return !strncmp(f->line, mine, symbol_source_length(mine));
	return !strncmp(f->function, "dma_", 4) || !strncmp(f->function, "dmam_", 5) ||
	       !strncmp(f->function, "dmamap_", 7);
}

bool symbol_has_name(uintptr_t ip)
{
	struct symbol_place p;

	symbol_look_up(ip - 1, &p);
	return p.frame[p.n - 1].function[0];
}

bool symbol_matches(uintptr_t ip, const char *pattern)
{
	struct symbol_place p;

	symbol_look_up(ip - 1, &p);
	for (u32 i = 0; i < p.n; i++)
		if (!fnmatch(pattern, p.frame[i].function, 0))
			return true;
	return false;
}

static void symbol_put_words(const struct symbol_frame *f, uintptr_t at, char *out, size_t size)
{
	const char *function = f->function[0] ? f->function : "?";
	struct symbol_module m;

	if (f->line[0]) {
		snprintf(out, size, "%s (%s)", function, f->line);
		return;
	}
	m = symbol_module_at(at);
	if (m.end)
		snprintf(out, size, "%s (%s+%#lx)", function, m.name, (unsigned long)(at - m.base));
	else
		snprintf(out, size, "%#lx", (unsigned long)at);
}

/* A sanitizer that is linked into the program brings its own pthread_create(). */
static bool symbol_is_sanitizer_start(uintptr_t ip)
{
	static const char *const names[] = {"*asan_thread_start*", "*AsanThread*ThreadStart*",
					    "*tsan_thread_start*"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (symbol_matches(ip, names[i]))
			return true;
	return false;
}

bool symbol_is_thread_start(uintptr_t ip)
{
	struct symbol_module threads = symbol_module_at((uintptr_t)pthread_create);

	if (threads.start == symbol_my_module()->start || ip - 1 < threads.start ||
	    ip - 1 >= threads.end)
		return false;
	return !threads.is_program || symbol_is_sanitizer_start(ip);
}

void symbol_of(uintptr_t ip, void (*fn)(const char *words, void *arg), void *arg)
{
	uintptr_t at = ip - 1; /* the call itself, not the return address after it */
	struct symbol_place p;
	char words[400];

	symbol_look_up(at, &p);
	for (u32 i = 0; i < p.n; i++) {
		symbol_put_words(&p.frame[i], at, words, sizeof(words));
		fn(words, arg);
	}
}

void symbol_fork_prepare(void)
{
	pthread_mutex_lock(&mine_lock);
#ifdef HAVE_LIBDW
	pthread_mutex_lock(&lock);
#endif
}

/* Called in the child as well: the cached information is complete, and valid there. */
void symbol_fork_done(void)
{
#ifdef HAVE_LIBDW
	pthread_mutex_unlock(&lock);
#endif
	pthread_mutex_unlock(&mine_lock);
}
