/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From an address in the program to function, file and line: by elfutils' libdwfl when the library
 * was built with it, which reads the debug information that the program's own files have, else by
 * the dynamic linker's names. One thread at a time; nothing else is locked meanwhile.
 */
#include "check/stack.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static pthread_mutex_t mine_lock = PTHREAD_MUTEX_INITIALIZER;
static char mine[200]; /* where this file is; under mine_lock until known */
static u32 known;      /* atomic */

#ifdef HAVE_LIBDW

#include <elfutils/libdwfl.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Dwfl *dwfl; /* under lock; NULL: not begun */

static char *debuginfo_path;
static const Dwfl_Callbacks callbacks = {
	.find_elf = dwfl_linux_proc_find_elf,
	.find_debuginfo = dwfl_build_id_find_debuginfo, /* only files of this machine */
	.debuginfo_path = &debuginfo_path,
};

/* The modules of the process as it is now. Under lock. */
static void begin(void)
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

__attribute__((destructor)) static void end(void)
{
	pthread_mutex_lock(&lock);
	if (dwfl)
		dwfl_end(dwfl);
	dwfl = NULL;
	pthread_mutex_unlock(&lock);
}

/* Under lock. */
static Dwfl_Module *module_of(uintptr_t at)
{
	Dwfl_Module *m = dwfl ? dwfl_addrmodule(dwfl, at) : NULL;

	if (!m) {
		/* the first report, or something was loaded since */
		begin();
		m = dwfl ? dwfl_addrmodule(dwfl, at) : NULL;
	}
	return m;
}

#define CACHED 1024 /* the top 10 bits of a hash */

/* What was found for an address; 0: nothing yet. Under lock. */
static struct {
	uintptr_t at;
	bool known;
	char function[128], line[200];
} cache[CACHED];

/* Under lock. */
static void look_up_slow(uintptr_t at)
{
	unsigned int i = (unsigned int)(at * 0x9e3779b97f4a7c15ull >> 54);
	const char *name, *file = NULL;
	Dwfl_Module *m = module_of(at);
	Dwfl_Line *l;
	int number;

	cache[i].at = at;
	cache[i].function[0] = cache[i].line[0] = 0;
	name = m ? dwfl_module_addrname(m, at) : NULL;
	cache[i].known = name != NULL;
	if (name)
		snprintf(cache[i].function, sizeof(cache[i].function), "%s", name);
	l = m ? dwfl_module_getsrc(m, at) : NULL;
	if (l)
		file = dwfl_lineinfo(l, NULL, &number, NULL, NULL, NULL);
	if (file)
		snprintf(cache[i].line, sizeof(cache[i].line), "%s:%d", file, number);
}

/* False: not known. `line` may stay "". */
static bool look_up(uintptr_t at, char *function, size_t size, char *line, size_t line_size)
{
	unsigned int i = (unsigned int)(at * 0x9e3779b97f4a7c15ull >> 54);
	bool found;

	pthread_mutex_lock(&lock);
	if (cache[i].at != at)
		look_up_slow(at);
	found = cache[i].known;
	snprintf(function, size, "%s", cache[i].function);
	snprintf(line, line_size, "%s", cache[i].line);
	pthread_mutex_unlock(&lock);
	return found;
}

#else

static bool look_up(uintptr_t at, char *function, size_t size, char *line, size_t line_size)
{
	Dl_info info;

	if (!dladdr((void *)at, &info) || !info.dli_sname)
		return false;
	snprintf(function, size, "%s", info.dli_sname);
	return true;
}

#endif

/* The length of the path of the library's sources, up to and with "src/". */
static size_t source_length(const char *line)
{
	const char *p = strstr(line, "src/check/symbol.c");

	return p ? (size_t)(p - line) + 4 : 0;
}

/*
 * By the source file, which has the same folder as this one; without lines by the name. Every frame
 * of the library is above the program's, so a driver that calls itself dma_… is only cut off when it
 * has no lines.
 */
bool symbol_is_ours(uintptr_t ip)
{
	char function[128] = "", line[200] = "", self[200] = "";

	if (!read_acquire(&known)) {
		look_up((uintptr_t)symbol_is_ours, function, sizeof(function), self, sizeof(self));
		pthread_mutex_lock(&mine_lock);
		if (!known)
			memcpy(mine, self, sizeof(mine));
		write_release(&known, 1);
		pthread_mutex_unlock(&mine_lock);
	}
	look_up(ip - 1, function, sizeof(function), line, sizeof(line));
	if (source_length(mine) && line[0])
		return !strncmp(line, mine, source_length(mine));
	return !strncmp(function, "dma_", 4) || !strncmp(function, "dmam_", 5) ||
	       !strncmp(function, "dmamap_", 7);
}

const char *symbol_function(uintptr_t ip, char *out, size_t size)
{
	char line[200] = "";

	if (!look_up(ip - 1, out, size, line, sizeof(line)))
		out[0] = 0;
	return out;
}

const char *symbol_of(uintptr_t ip, char *out, size_t size)
{
	char function[128] = "", line[200] = "";
	uintptr_t at = ip - 1; /* in the call, not behind it */
	Dl_info info;

	if (look_up(at, function, sizeof(function), line, sizeof(line)) && line[0])
		snprintf(out, size, "%s (%s)", function, line);
	else if (dladdr((void *)at, &info) && info.dli_fname)
		snprintf(out, size, "%s (%s+%#lx)", function[0] ? function : "?", info.dli_fname,
			 (unsigned long)(at - (uintptr_t)info.dli_fbase));
	else
		snprintf(out, size, "%#lx", (unsigned long)at);
	return out;
}
