/* Relations between sizes: a stack machine over 64-bit integers. What overflows is asked from the Python guard, so the answer is always exact. */
#include "program.h"

enum { OP_INPUT, OP_CONSTANT, OP_NOT, OP_ADD, OP_SUB, OP_MUL, OP_FLOORDIV, OP_MOD, OP_MAX, OP_MIN, OP_LT, OP_LE, OP_GT, OP_GE, OP_EQ, OP_NE, OP_AND, OP_OR };
static const char *const operations[] = {"input", "constant", "not", "add", "sub", "mul", "floordiv", "mod", "max",
                                         "min",   "lt",       "le",  "gt",  "ge",  "eq",  "ne",       "and", "or"};
enum { OPERATIONS = sizeof operations / sizeof *operations, MAX_STACK = 64 };

/* One operation on the two topmost numbers. 1, 0 for a division by zero, -2 for an overflow. */
static int combine(Py_ssize_t operation, Py_ssize_t a, Py_ssize_t b, Py_ssize_t *result)
{
    Py_ssize_t rest;
    switch (operation) {
    case OP_ADD: return __builtin_add_overflow(a, b, result) ? -2 : 1;
    case OP_SUB: return __builtin_sub_overflow(a, b, result) ? -2 : 1;
    case OP_MUL: return __builtin_mul_overflow(a, b, result) ? -2 : 1;
    case OP_FLOORDIV:
    case OP_MOD:
        if (b == 0) {
            return 0;
        }
        if (b == -1) { /* the one quotient that overflows */
            return operation == OP_MOD ? (*result = 0, 1) : __builtin_sub_overflow((Py_ssize_t)0, a, result) ? -2 : 1;
        }
        rest = a % b;
        if (operation == OP_MOD) {
            *result = rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
        } else {
            *result = a / b - (rest != 0 && (rest < 0) != (b < 0));
        }
        return 1;
    case OP_MAX: *result = a > b ? a : b; return 1;
    case OP_MIN: *result = a < b ? a : b; return 1;
    case OP_LT: *result = a < b; return 1;
    case OP_LE: *result = a <= b; return 1;
    case OP_GT: *result = a > b; return 1;
    case OP_GE: *result = a >= b; return 1;
    case OP_EQ: *result = a == b; return 1;
    case OP_NE: *result = a != b; return 1;
    case OP_AND: *result = a && b; return 1;
    default: *result = a || b; return 1;
    }
}

static int ask_python_relation(Check *check, Walk *walk) /* numbers beyond 64 bits */
{
    PyObject *holds = PyObject_GetAttrString(check->guard, "holds");
    int answer = holds == NULL ? swallow() : call_with_values(check, walk, holds);
    Py_XDECREF(holds);
    return answer;
}

TEST(test_relation)
{
    Py_ssize_t stack[MAX_STACK], inputs[MAX_STACK];
    int top = 0, state = 1, read = 0;
    for (; read < check->count; read++) {
        state = walk_integer(walk, check->nodes[read], &inputs[read]);
        if (state <= 0) {
            return state == -2 ? ask_python_relation(check, walk) : state;
        }
    }
    for (Py_ssize_t i = 0; i < check->length; i++) {
        Py_ssize_t operation = check->code[2 * i], number = check->code[2 * i + 1];
        if (operation == OP_INPUT) {
            stack[top++] = inputs[number];
        } else if (operation == OP_CONSTANT) {
            stack[top++] = number;
        } else if (operation == OP_NOT) {
            stack[top - 1] = !stack[top - 1];
        } else {
            top--;
            state = combine(operation, stack[top - 1], stack[top], &stack[top - 1]);
            if (state <= 0) {
                return state == -2 ? ask_python_relation(check, walk) : 0;
            }
        }
    }
    return stack[0] != 0;
}

TEST(test_big_relation) { return ask_python_relation(check, walk); }
static int operation_named(PyObject *name)
{
    for (int i = 0; PyUnicode_Check(name) && i < OPERATIONS; i++) {
        if (PyUnicode_CompareWithASCIIString(name, operations[i]) == 0) {
            return i;
        }
    }
    PyErr_Format(PyExc_ValueError, "the guard engine knows no operation %R", name);
    return -1;
}

/* Checks that the program never reads below its stack and leaves one number. What is too deep or too big for C is left to Python. */
int build_relation(Check *check)
{
    Py_ssize_t depth = 0, deepest = 0;
    int big = check->count > MAX_STACK;
    if (!PyTuple_Check(check->argument)) {
        PyErr_SetString(PyExc_TypeError, "a size relation's program is a tuple");
        return -1;
    }
    check->length = PyTuple_GET_SIZE(check->argument);
    check->code = PyMem_Calloc((size_t)check->length * 2 + 1, sizeof(Py_ssize_t));
    if (check->code == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < check->length; i++) {
        PyObject *name, *number;
        if (!PyArg_ParseTuple(PyTuple_GET_ITEM(check->argument, i), "OO!", &name, &PyLong_Type, &number)) {
            return -1;
        }
        int operation = operation_named(name), overflow = 0;
        Py_ssize_t value = (Py_ssize_t)PyLong_AsLongLongAndOverflow(number, &overflow);
        if (operation < 0 || (operation == OP_INPUT && (overflow || value < 0 || value >= check->count))) {
            PyErr_Clear();
            depth = -1;
            break;
        }
        big |= overflow;
        depth += operation <= OP_CONSTANT ? 1 : operation == OP_NOT ? 0 : -1;
        deepest = depth > deepest ? depth : deepest;
        check->code[2 * i] = operation;
        check->code[2 * i + 1] = value;
        if (depth < 1) {
            depth = -1;
            break;
        }
    }
    if (depth != 1) {
        PyErr_SetString(PyExc_ValueError, "a size relation's program is malformed");
        return -1;
    }
    check->test = big || deepest > MAX_STACK ? test_big_relation : test_relation;
    return 0;
}
