"""Every refused thing of NOTATION's "Errors" has its own sentence, and points at the very word."""

from __future__ import annotations

import re

import pytest

from convscope.errors import ConvscopeError
from convscope.notation import NotationError, parse

# text; what the caret stands under; the sentence; the hint ("" is any). The word "^" stands for the first character.
TEXT = [
    ("", "", "no layer: the text is empty, or nothing but comments", "write conv 5x5 32"),
    ("# only\n  # comments\n", "", "no layer: the text is empty, or nothing but comments", ""),
    ("input 28x28x1", "", "no layer: the text has nothing but what stands before the layers", ""),
    ("conv 5x5 32 relu", "relu", "a comma is missing before 'relu'", "write , relu"),
    ("conv 5x5 32 add( relu | relu )", "add", "a comma is missing before 'add'", "write , add"),
    ("relu 3 * ( relu )", "3", r"a comma is missing before '3 \*'", r"write , 3 \*"),
    ("relu, ( relu ) relu", "relu", "a comma is missing before 'relu'", ""),
    ("relu stem: relu", "stem:", "a comma is missing before 'stem:'", ""),
    ("relu -> 2x2x2 tanh", "tanh", "a comma is missing before 'tanh'", ""),
    ("let b() = (relu), relu b()", "b(", r"a comma is missing before 'b\('", ""),
    ("let b(c, d) = (dense c), b(1 2)", "2", "a comma is missing before '2'", ""),
    ("conv 5x5 32,, relu", ",", "two commas in a row: nothing stands between them", "leave one out"),
    ("conv 5x5 32,\n, relu", ",", "two commas in a row", ""),
    (", relu", ",", "nothing stands before this comma", "leave it out"),
    ("add(, relu | relu)", ",", "nothing stands before this comma", ""),
    (",", ",", "nothing stands before this comma", ""),
    ("add( relu | ( tanh, relu", "(", r"this '\(' has no '\)' after it", "close it"),
    ("relu ), relu", ")", r"this '\)' has no '\(' before it", "leave it out"),
    ("relu | tanh", "|", r"'\|' stands outside add and concat", r"write add\( A \| B \)"),
    ("add( ( relu | tanh ) | relu )", "|", r"'\|' stands outside add and concat", ""),
    ("stem conv 7x7 64", "stem", "the label 'stem' has no colon", "write stem: conv"),
    ("stem ( conv 7x7 64, relu )", "stem", "the label 'stem' has no colon", r"write stem: \("),
    ("stem ( relu )", "stem", "the label 'stem' has no colon", r"write stem: \( relu"),
    ("stem 2 * ( relu )", "stem", "the label 'stem' has no colon", "write stem:"),
    ("stem add( relu | relu )", "stem", "the label 'stem' has no colon", ""),
    ("stem: , relu", "stem:", "the label 'stem' has nothing after it", "names the one item after it"),
    ("relu; tanh", ";", "';' is no sign of the notation", "write a comma"),
    ("relu\x00", "\x00", r"U\+0000 is no sign of the notation", ""),
    ("层: relu", "层", "'层' is no sign of the notation", "ASCII letters"),
    ("conv 3x3 32abc", "32abc", "'32abc' is neither a number nor a size", "write 32, 0.5 or 3x3"),
    ("let b(k) = (conv 3xk 3)", "3xk", "'3xk' is neither a number nor a size", "stands for a whole size"),
    ("conv 3 x 3 32", "x", "unknown word 'x' in conv", "no space inside 3x3"),
    ("conv 3x3 32 / 2", "/", "'/' is no sign of the notation", "no space inside /2"),
    ("conv 3x3 32 groups = 2", "=", "no space inside key=value", "write groups="),
    ("conv 3x3 99999999999", "99999999999", "more than 1 000 000 000", ""),
    ("conv 3x3 " + "9" * 5000, "9" * 5000, "a number of more than 40 signs", ""),
    ("conv 9999999999x3 3", "9999999999x3", "more than 1 000 000 000", ""),
    ("3x3 conv 32", "3x3", "an item begins with a name. Got '3x3'", "conv 3x3 32"),
    ("(" * 70 + "relu" + ")" * 70, "(", "more than 60 brackets stand in each other", "let"),
    ("relu\n-> 4", "->", "-> stands after an item, and on its line", "write conv 3x3 32 -> 28x28x32"),
    ("a.b: relu", ".b", r"a '\.' stands in no name", "ASCII letters"),
    ("bn eps", "eps", "unknown word 'eps' in bn", ""),
    ("same", "same", "'same' is no layer", "a layer's name stands first"),
]

LAYERS = [
    ("conv 5x5 32, relu,\n maxpol 2", "maxpol", "unknown layer 'maxpol'", "did you mean 'maxpool'?"),
    ("zzzzzz", "zzzzzz", "unknown layer 'zzzzzz'", "these exist: conv, maxpool"),
    ("conv 5x5 32 sme", "sme", "unknown word 'sme' in conv", "did you mean 'same'?"),
    ("conv 5x5 32 rellu", "rellu", "unknown word 'rellu' in conv", "did you mean ', relu'?"),
    ("conv 5x5 32 group=2", "group=", "conv has no option 'group='", "did you mean 'groups='?"),
    ("conv 64", "64", "conv has one number: its kernel or its channels are missing", "write conv 3x3 64"),
    ("conv 5x5", "5x5", "conv has a kernel and no channels", "write conv 5x5 32"),
    ("conv", "conv", "conv has no kernel and no channels", "write conv 3x3 32"),
    ("maxpool", "maxpool", "maxpool has no kernel and no to=", "write maxpool 2"),
    ("rbf", "rbf", "rbf has no units", "write rbf 10"),
    ("scale", "scale", "scale has no factor", "write scale 0.125"),
    ("dropout", "dropout", "dropout has no probability", "write dropout 0.5"),
    ("conv 32 5x5", "32", "the channels stand before the kernel", "write conv 5x5 32"),
    ("conv in 5x5", "in", "the channels stand before the kernel", "write conv 5x5 in"),
    ("conv 5x5 32 64", "64", "a number too many: conv takes the kernel and the channels", "a stride is written /64"),
    ("maxpool 2 3", "3", "a number too many: maxpool takes the kernel", "a stride is written /3"),
    ("relu 5", "5", "a number too many: relu takes none", "leave it out"),
    ("gap 2", "2", "a number too many: gap takes none", "avgpool takes a window"),
    ("leaky 0.1 0.2", "0.2", "a number too many: leaky takes the slope", ""),
    ("relu 5x5", "5x5", "a size too many: relu takes no kernel", ""),
    ("conv 5x5 3x3", "3x3", "the channels must be one number. Got the size 3x3", "write 3"),
    ("dense 5x5", "5x5", "the units must be one number. Got the size 5x5", ""),
    ("dropout 3x3", "3x3", "the probability must be one number. Got the size 3x3", ""),
    ("conv 3x3 32 groups=2x2", "2x2", "groups= must be one number. Got the size 2x2", ""),
    ("bn eps=2x2", "2x2", "eps= must be one number. Got the size 2x2", ""),
    ("conv 3x3 32 init=2x2", "2x2", "init= takes a word or one number. Got the size 2x2", ""),
    ("conv 3x3x3 32", "3x3x3", "the kernel must be height x width, two numbers. Got 3x3x3", ""),
    ("conv 3x3 3.5", "3.5", "the channels must be a whole number. Got 3.5", ""),
    ("conv 3x3 32 /2 /2", "/2", "two strides at conv", "leave one out"),
    ("conv 3x3 32 same valid", "valid", "two paddings at conv", "leave one out"),
    ("conv 3x3 32 same pad=1", "pad=", "two paddings at conv", ""),
    ("conv 3x3 32 pad=1 full", "full", "two paddings at conv", ""),
    ("conv 3x3 32 bias=no bias=no", "bias=", "'bias=' stands twice at conv", "leave one out"),
    ("maxpool 2 ceil ceil", "ceil", "'ceil' stands twice", ""),
    ("tanh scaled scaled", "scaled", "'scaled' stands twice", ""),
    ("relu /2", "/2", "relu has no stride", "leave it out"),
    ("subsample 2 /2", "/2", "subsample has no stride of its own: it is the kernel", ""),
    ("dense 10 same", "same", "dense has no padding", "leave it out"),
    ("relu pad=1", "pad=", "relu has no padding", ""),
    ("subsample 2 same", "same", "subsample has no padding to choose: it is 'valid'", ""),
    ("conv 3x3 32 ceil", "ceil", "conv takes no 'ceil': only pooling does", ""),
    ("dense 10 groups=2", "groups=", "dense has no option 'groups='", "it has bias=, init="),
    ("relu foo=2", "foo=", "relu has no option 'foo='", "it has none"),
    ("conv 0x3 32", "0x3", "the kernel must be at least 1. Got 0 in 0x3", ""),
    ("conv 3x3 32 /0", "/0", "a stride must be at least 1. Got 0", ""),
    ("conv 3x3 32 /2x0", "/2x0", "a stride must be at least 1. Got 0 in 2x0", ""),
    ("conv 3x3 32 /same", "/same", "a stride is a number or a size. Got 'same'", "write /2"),
    ("conv 3x3 32 dilation=0", "0", "dilation= must be at least 1. Got 0", ""),
    ("conv 3x3 0", "0", "the channels must be at least 1. Got 0", ""),
    ("dense 0", "0", "the units must be at least 1. Got 0", ""),
    ("conv 3x3 32 groups=0", "0", "groups= must be at least 1. Got 0", ""),
    ("conv 3x3 32 pad=-1", "-1", "pad= must be at least 0. Got -1", ""),
    ("conv 3x3 32 pad=same", "same", "pad= takes a number or a size. Got 'same'", "write same"),
    ("maxpool 3 pad=3", "3", "in pooling a padding must be smaller than the kernel. Got pad=3 and kernel 3", "pad=2"),
    ("avgpool 1 pad=1", "1", "in pooling a padding must be smaller than the kernel", "leave it out"),
    ("maxpool 3 ceil same", "ceil", "'ceil' stands alone or beside pad=, not beside 'same'", ""),
    ("avgpool 3 to=6x6", "3", "a kernel stands beside to=, which takes its place", "leave one out"),
    ("avgpool to=6x6 /2", "/2", "a stride stands beside to=", ""),
    ("avgpool to=6x6 pad=1", "1", "a padding stands beside to=", ""),
    ("avgpool to=6x6 ceil", "ceil", "'ceil' stands beside to=", ""),
    ("dropout 1", "1", "the probability must be from 0 to below 1", ""),
    ("dropout -0.1", "-0.1", "the probability must be from 0 to below 1", ""),
    ("dropout in", "in", "the probability must be a number. Got in", ""),
    ("lrn 4", "4", "the window must be odd. Got 4", "write 3 or 5"),
    ("conv 3x3 32 bias=false", "false", "bias= takes yes, no or position. Got 'false'", "did you mean 'no'?"),
    ("dense bias=0", "0", "bias= takes yes or no. Got 0", "did you mean 'no'?"),
    ("bn per=activaton", "activaton", "per= takes map or activation. Got 'activaton'", "did you mean 'activation'?"),
    ("bn momentum=2", "2", "momentum= must be a number from 0 to 1. Got 2", ""),
    ("conv 3x3 3 border=zeros", "zeros", "border= takes replicate, reflect or a number", "did you mean '0'?"),
    ("conv 3x3 3 connect=lenet", "lenet", "connect= takes all or lenet5", "did you mean 'lenet5'?"),
    ("conv 3x3 3 init=he", "he", "init= takes kaiming, glorot, .* or a number. Got 'he'", "did you mean 'kaiming'?"),
    ("conv 3x3 3 init=normal", "normal", "init= needs its number in parentheses. Got 'normal'", r"normal\(0.05\)"),
    ("conv 3x3 3 init=glorot(2)", "glorot", "init= takes 'glorot' without a number", "write glorot"),
    ("conv 3x3 3 init=normal(-1)", "normal", "init= must be a number from 0. Got -1", ""),
    ("conv 3x3 3 init=uniform(1, 2)", "uniform", "'uniform' takes one number in its parentheses. Got 2", ""),
    ("conv 3x3 3 init=normal(a=2)", "a=", "'normal' takes a number in its parentheses", ""),
    ("conv 3x3 3 init=normal(same)", "same", "'normal' takes a number in its parentheses. Got same", ""),
    ("bn eps= 3", "=", "no space inside key=value", "write eps="),
]

FOREIGN = [
    ("fc 10", "fc", "unknown layer 'fc'", "did you mean 'dense'?"),
    ("linear 10", "linear", "unknown layer 'linear'", "did you mean 'dense'?"),
    ("conv2d 3x3 32", "conv2d", "unknown layer 'conv2d'", "did you mean 'conv'?"),
    ("Conv2d(3, 32)", "Conv2d", "unknown piece 'Conv2d'", "did you mean 'conv'?"),
    ("batchnorm", "batchnorm", "unknown layer 'batchnorm'", "did you mean 'bn'?"),
    ("relu batchnorm", "batchnorm", "unknown word 'batchnorm' in relu", "did you mean 'bn'?"),
    ("pool 2", "pool", "unknown layer 'pool'", "did you mean 'maxpool' or 'avgpool'?"),
    ("Conv 3x3 32", "Conv", "unknown layer 'Conv'", "words are lower case: did you mean 'conv'?"),
    ("conv 3x3 32 stride=2", "stride=", "conv has no option 'stride='", "write /2"),
    ("conv 3x3 32 padding=1", "padding=", "conv has no option 'padding='", "write pad=1"),
    ("conv 3x3 32 padding=same", "padding=", "conv has no option 'padding='", "write same"),
    ("relu padding=1", "padding=", "relu has no option 'padding='", "it has none"),
    ("maxpool kernel_size=2", "kernel_size=", "maxpool has no option", "the kernel stands first: maxpool 2"),
    ("conv(3x3, 32)", "(", r"'conv' takes no parentheses", "write conv 3x3 32"),
]

STRUCTURE = [
    ("add( relu )", "add", "add has one branch; it takes two or more", r"write add\( ... \| identity \)"),
    ("concat( relu )", "concat", "concat has one branch; it takes two or more", ""),
    ("add( relu | )", "add", "branch 2 of this add is empty", "write identity"),
    ("concat( | relu )", "concat", "branch 1 of this concat is empty", "write identity"),
    ("( )", "(", "the group is empty", "write identity"),
    ("add relu", "relu", "add has no parentheses", r"write add\( A \| B \)"),
    ("blok(3)", "blok", "unknown piece 'blok'", r"define it above: let blok\(\)"),
    ("let block(c) = (dense c), blok(3)", "blok", "unknown piece 'blok'", "did you mean 'block'?"),
    ("b(1), let b(c) = (dense c)", "b", "the piece 'b' is used above its let", "move its let up"),
    ("let b() = (b())\nb()", "b", "the piece 'b' uses itself", "pieces defined above it"),
    ("let b() = (relu), let b() = (relu), b()", "b", "the piece 'b' is defined twice", ""),
    ("let conv(c) = (relu), relu", "conv", "the piece 'conv' is called like a layer", "another name"),
    ("let add(c) = (relu), relu", "add", "the piece 'add' is called like a word of the notation", ""),
    ("let b(c) = (dense c), b()", "b", "the piece 'b' takes 1 value. Got 0", r"write b\(c\)"),
    ("let b(c) = (dense c), b(1, 2)", "b", "the piece 'b' takes 1 value. Got 2", r"write b\(c\)"),
    ("let b() = (relu), b(1)", "b", "the piece 'b' takes no values. Got 1", r"write b\(\)"),
    ("let b() = (relu), b", "b", "the piece 'b' stands without its parentheses", r"write b\(\)"),
    ("let b(c) = (dense c), b(in)", "in", "'in' can't be handed on", "inside the piece"),
    ("let b(c) = (dense c), b(same)", "same", "a value handed to 'b' is a number, a size or a parameter", ""),
    ("let b(c) = (dense c), b(1x2x3)", "1x2x3", "a size handed to 'b' is height x width", ""),
    ("let b(c) = (dense c), b(c=3)", "c=", "a value handed to 'b' is a number or a size", ""),
    ("let b(c, c) = (dense c), b(1, 2)", "c", "the parameter 'c' stands twice", ""),
    ("let b(same) = (relu), b(1)", "same", "the parameter 'same' is called like a word of the notation", ""),
    ("let b(in) = (relu), b(1)", "in", "the parameter 'in' is called like a word of the notation", ""),
    ("let b(classes) = (relu), b(1)", "classes", "the parameter 'classes' is called like a word", ""),
    ("let b(3) = (relu), b(1)", "3", "a parameter is a name. Got '3'", ""),
    ("let b = (relu), b()", "b", "the piece 'b' has no parentheses", r"write let b\(\) = \( ... \)"),
    ("let b() = relu, b()", "relu", "the body of a piece stands in parentheses: 'relu' follows", ""),
    ("let b(), relu", ")", "a piece has a name, parentheses and '='", ""),
    ("let 3 = (relu)", "3", "a piece has a name: '3' follows", ""),
    ("( let b() = (relu) )", "let", "'let' stands where no piece can be defined", "outside brackets"),
    ("2.5 * ( relu )", "2.5", "a count must be a whole number. Got 2.5", r"write 3 \* \( ... \)"),
    ("2x2 * ( relu )", "2x2", "a count must be a whole number. Got 2x2", ""),
    ("-1 * ( relu )", "-1", "a count must be a whole number from 0. Got -1", ""),
    ("n * ( relu )", "n", "a count is a whole number or a parameter. Got 'n'", ""),
    ("let b(n) = (n * (relu)), b(0.5)", "n", "a count must be a whole number from 0. Got 0.5 for 'n'", ""),
    ("3 * relu, tanh", "relu", "what is repeated stands in parentheses", ""),
    ("3 *", "*", "what is repeated stands in parentheses: the text ends", ""),
    ("relu * ( relu )", "relu", "a comma is missing before|a count is a whole number", ""),
    ("input 2x2x1, input 2x2x1, relu", "input", "'input' stands twice", "leave one out"),
    ("classes 2, classes 2, relu", "classes", "'classes' stands twice", ""),
    ("relu, input 28x28x1", "input", "'input' stands after a layer", "before the first layer"),
    ("relu, classes 10", "classes", "'classes' stands after a layer", ""),
    ("( input 28x28x1 )", "input", "'input' stands inside brackets", ""),
    ("a: input 28x28x1, relu", "input", "'input' takes no label and no -> check", ""),
    ("input 28x0x1, relu", "28x0x1", "an input's height, width and channels are at least 1", ""),
    ("input 28x28, relu", "28x28", "an input is height x width x channels. Got 28x28", "write input 28x28x1"),
    ("input, relu", "input", "'input' has no size", "write input 28x28x1"),
    ("input 28x28x1 3, relu", "3", "'input' takes one size and no more", ""),
    ("input 28x28x1 relu", "relu", "a comma is missing before 'relu'", ""),
    ("classes 0, relu", "0", "the classes must be at least 1. Got 0", ""),
    ("classes 2x2, relu", "2x2", "classes takes a whole number. Got 2x2", ""),
    ("classes, relu", "classes", "'classes' has no number", ""),
    ("a: relu, a: relu", "a", "the name 'a' comes twice: it is taken at line 1, column 1", "another label"),
    ("conv1: relu, conv 3x3 3", "conv", "the name 'conv1' comes twice: it is taken at line 1, column 1", ""),
    ("2 * ( a: relu )", "a", "the name 'a' comes twice, because what it labels is used twice", "label the uses"),
    ("10001 * ( relu )", "relu", "written out, this text has more than 10 000 layers", "repeat less"),
    ("9000 * ( 9000 * ( 0 * ( relu ) ) )", "9000", "written out, this text has more than 100 000 groups", ""),
    ("conv 3x3 3 -> 5x5", "5x5", "-> takes height x width x channels, or one number", "write -> 55x55x96"),
    ("conv 3x3 3 -> 0", "0", "the numbers after -> are at least 1. Got 0", ""),
    ("conv 3x3 3 -> big", "big", "-> takes height x width x channels, or one whole number. Got 'big'", ""),
    ("conv 3x3 3 ->", "->", "-> has no size: the text ends", ""),
    ("regions ( relu )", "regions", "regions has no number of parts", "write regions 2x2"),
    ("regions 0x2 ( relu )", "0x2", "the number of parts must be at least 1. Got 0 in 0x2", ""),
    ("regions 2x2 3 ( relu )", "3", "regions takes one size and its parentheses. Got '3'", ""),
    ("aux relu, relu", "relu", "the parentheses of aux or regions are missing", ""),
    ("aux 3 ( relu )", "3", "aux takes weight= and its parentheses. Got '3'", "write aux weight=0.3"),
    ("aux weigth=3 ( relu )", "weigth=", "aux has no option 'weigth='", "it has weight="),
    ("aux weight=1 weight=1 ( relu )", "weight=", "'weight=' stands twice at aux", ""),
    ("aux weight=-1 ( relu )", "-1", "weight= must be a number from 0. Got -1", ""),
]

BRACES = [
    ("conv {3x3} 3", "{3x3}", "one alternative is no choice", "write two or more"),
    ("conv {k: 3x3} 3", "{k: 3x3}", "one alternative is no choice", ""),
    ("conv {kern} 3, conv {kernl: 3x3,5x5} 3", "{kern}", "no choice is called 'kern'", "did you mean '{kernl}'?"),
    ("conv {3x3,} 3", ",", "an empty alternative", "write identity"),
    ("conv {} 3", "{}", "an empty alternative", "write identity"),
    ("conv {3x3, 3x3} 3", "3x3", "two alternatives are alike: '3x3'", "leave one out"),
    ("conv {3x3,{5x5,7x7}} 3", "{", "a brace stands in a brace", ""),
    ("conv {3x3,5x5 3", "{", "this '{' has no '}' after it", "close it"),
    ("conv 3x3} 3", "}", "this '}' has no '{' before it", ""),
    ("conv {(3x3,5x5} 3", "(3x3,5x5", r"a '\(' in this alternative has no '\)'", ""),
    ("conv {3x3),5x5} 3", ")", r"this '\)' has no '\(' in its alternative", ""),
    ("conv {k: 3,5} 3, conv {k: 3,5} 3", "{k: 3,5}", "two choices are called 'k'", "write {k} to repeat"),
    ("conv {k} 3, conv {k: 3,5} 3", "{k}", "the choice 'k' is used before it is given", "write {k: ...} first"),
    ("conv {3,5,7} {3,4}", "{3,5,7}", "one network is wanted, and these braces make 6", ""),
    ("conv 3x3 {1..4 log}", "{1..4 log}", "a range is for the values of a search's recipe", "{16,32,64}"),
    ("conv 3x3 3" + " {1,2}" * 14, "{1,2}", "make 16384", ""),
]

TABLE = [*TEXT, *LAYERS, *FOREIGN, *STRUCTURE, *BRACES]


@pytest.mark.parametrize(("text", "word", "what", "hint"), TABLE, ids=[row[0][:40] or "empty" for row in TABLE])
def test_refused_with_its_own_sentence_under_the_word(text: str, word: str, what: str, hint: str) -> None:
    with pytest.raises(NotationError, match=what) as caught:
        parse(text)
    error = caught.value
    assert re.search(what, error.what)
    assert re.search(re.escape(hint) if "{" in hint or "?" in hint else hint, error.hint)
    lines = text.split("\n")
    line = lines[error.line - 1] if lines else ""
    assert line[error.column - 1 :].startswith(word)
    assert str(error).startswith(f"line {error.line}, column {error.column}: {error.what}\n")
    if 0 < len(word) < 100:
        assert error.place.length == max(1, len(word.rstrip("("))) or word in ("^", "(")
        shown, pointer = str(error).split("\n")[1:3]
        start = pointer.index("^")
        assert shown[start:].replace("\ufffd", "\x00").startswith(word) or not word.isascii()


def test_sentences_are_each_others_own() -> None:
    # A table whose rows all match the same sentence would prove nothing.
    assert len({row[2] for row in TABLE}) > 100


def test_the_contracts_example_to_the_letter() -> None:
    with pytest.raises(NotationError, match="unknown layer 'maxpol'") as caught:
        parse("input 28x28x1\nconv 5x5 32, relu, maxpol 2")
    assert str(caught.value) == (
        "line 2, column 20: unknown layer 'maxpol'\n"
        "  conv 5x5 32, relu, maxpol 2\n"
        "                     ^^^^^^  did you mean 'maxpool'?"
    )


@pytest.mark.parametrize(
    ("text", "what", "notes"),
    [
        ("let b(c) = ( conv 3x3 c, maxpol 2 )\nrelu, b(2)", "unknown layer 'maxpol'", [(2, 7, "b")]),
        ("let b(c) = ( conv 3x3 c,, relu )\nrelu, b(2)", "two commas", [(2, 7, "b")]),
        ("let b(c) = ( conv 3x3 c, 3 )\n# b(2)\nb(2)", "begins with a name", [(3, 1, "b")]),
        ("let b(c) = ( conv 3x3 c )\nb(0)", "the channels must be at least 1. Got 0 for 'c'", [(2, 1, "b")]),
        (
            "let b(c) = ( conv 3x3 c )\nlet d(e) = ( relu, b(e) )\nd(3x3)",
            "the channels must be one number. Got the size 3x3 for 'c'",
            [(2, 20, "b"), (3, 1, "d")],
        ),
        ("let b(p) = ( maxpool 3 pad=p )\nb(3)", "must be smaller than the kernel", [(2, 1, "b")]),
        ("let b(s) = ( conv 3x3 8 /s )\nb(0)", "a stride must be at least 1. Got 0 for 's'", [(2, 1, "b")]),
        ("let b(s) = ( conv 3x3 8 init=normal(s) )\nb(-1)", "must be a number from 0. Got -1 for 's'", [(2, 1, "b")]),
        ("let b(s) = ( conv 3x3 8 bias=s )\nb(1)", "bias= takes yes, no or position. Got 1 for 's'", [(2, 1, "b")]),
        ("let b(s) = ( dropout s )\nb(1)", "the probability must be from 0 to below 1", [(2, 1, "b")]),
        ("let b(g) = ( regions g ( relu ) )\nb(0)", "the number of parts must be at least 1", [(2, 1, "b")]),
        ("let b(w) = ( aux weight=w ( relu ) )\nb(-1)", "weight= must be a number from 0", [(2, 1, "b")]),
    ],
)
def test_an_error_inside_a_piece_says_where_it_was_used(
    text: str, what: str, notes: list[tuple[int, int, str]]
) -> None:
    with pytest.raises(NotationError, match=what) as caught:
        parse(text)
    assert caught.value.line == 1
    assert list(caught.value.notes) == [
        f"in the piece '{name}', used at line {line}, column {column}" for line, column, name in notes
    ]
    assert str(caught.value).endswith(caught.value.notes[-1])


def test_a_piece_nobody_uses_has_no_use_to_name() -> None:
    with pytest.raises(NotationError, match="unknown layer 'maxpol'") as caught:
        parse("let b() = ( maxpol 2 )\nrelu")
    assert caught.value.notes == ()


def test_full_width_text_is_shown_as_written_with_the_caret_below() -> None:
    with pytest.raises(NotationError, match="unknown layer 'maxpol'") as caught:
        parse("conv 5×5 32，relu，maxpol 2")
    shown, pointer = str(caught.value).split("\n")[1:3]
    assert caught.value.column == 18
    assert shown == "  conv 5×5 32，relu，maxpol 2"
    assert (
        pointer == " " * (2 + 17 + 2) + "^^^^^^  did you mean 'maxpool'?"
    )  # two full-width commas take two cells each


def test_a_long_line_is_shown_in_part() -> None:
    text = ", ".join(["relu"] * 100) + ", maxpol 2, " + ", ".join(["relu"] * 100)
    with pytest.raises(NotationError, match="maxpol") as caught:
        parse(text)
    shown, pointer = str(caught.value).split("\n")[1:3]
    assert len(shown) < 130
    assert shown.startswith("  ...")
    assert shown[pointer.index("^") :].startswith("maxpol 2")
    assert caught.value.column == 601


def test_tabs_keep_the_caret_in_place() -> None:
    with pytest.raises(NotationError, match="maxpol") as caught:
        parse("\tmaxpol 2")
    assert str(caught.value).split("\n")[1:] == ["  \tmaxpol 2", "  \t^^^^^^  did you mean 'maxpool'?"]


def test_a_notation_error_is_the_users() -> None:
    with pytest.raises(ConvscopeError) as caught:
        parse("fc 10")
    assert caught.value.exit_code == 2
