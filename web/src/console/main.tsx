import { render } from "preact";
import { ConsoleApp } from "./app";
import { openSignIn } from "./sign-in";
import "../styles/tokens.css";
import "../styles/base.css";
import "../styles/layout.css";
import "./console.css";

const root = document.getElementById("app") as HTMLElement;
render(<ConsoleApp signIn={openSignIn()} />, root);
